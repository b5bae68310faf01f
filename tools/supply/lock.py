"""Write requirements.lock: every package that `make` installs, by version and hash.

    python tools/supply/lock.py [--upgrade]

Parts of it are in config/image/: what a container's image serves with, and what builds it. The pip
that installs all this is in tools/supply/pip.lock.

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
# No engines: they have containers of their own.
IMAGE_EXTRAS = ("stripe", "traces")
LOCK, IMAGE, BUILD = "requirements.lock", "config/image", "tools/supply/build.in"


def main() -> int:
    """Let uv resolve, from the registry that pip is set to."""
    serving = [word for extra in IMAGE_EXTRAS for word in ("--extra", extra)]
    everything = [word for extra in EXTRAS for word in ("--extra", extra)]
    part = ("--constraint", LOCK)
    return (
        resolve(LOCK, *everything, "pyproject.toml", BUILD, *sys.argv[1:])
        or resolve(f"{IMAGE}/requirements.lock", *serving, "pyproject.toml", *part)
        or resolve(f"{IMAGE}/build.lock", BUILD, *part)
        or resolve("tools/supply/pip.lock", "tools/supply/pip.in", *sys.argv[1:])
    )


def resolve(lock: str, *wanted: str) -> int:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--universal"),
            *("--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"),
            *(*wanted, "--output-file", lock),
        ],
        cwd=ROOT,
        env={**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})},
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
