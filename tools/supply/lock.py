"""Write requirements.lock: every package that `make` installs, by version and hash.

    python tools/supply/lock.py [--upgrade]

It holds for Python 3.11 and later, and names no registry: pip takes the files from the one that it
is set to, and refuses those with another hash. Versions in the lock stay where pyproject.toml
allows them; `--upgrade` takes the newest.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = ("embedded", "test")


def main() -> int:
    """Let uv resolve, from the registry that pip is set to."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--universal"),
            *("--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"),
            *(*extras, "pyproject.toml", "tools/supply/build.in"),
            *("--output-file", "requirements.lock", *sys.argv[1:]),
        ],
        cwd=ROOT,
        env={**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})},
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
