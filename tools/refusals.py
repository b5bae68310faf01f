"""Write the table of every refusal to docs/refusals.md.

    python tools/refusals.py

A test compares the file with the code, so the two cannot part.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import checkout
import inventory
import waitroom
from inventory.kit.problem import Refusal

PAGE = Path(__file__).parents[1] / "docs" / "refusals.md"
HEAD = """# Refusals

A request that cannot be granted is answered with `application/problem+json` (RFC 9457). Programs
read `code`, which never changes; people read `detail`, which by default is the sentence below. Some
refusals carry further members: `field` names the member of the body that was refused. Those with
status 503 have a `Retry-After` header.

| code | status | sentence |
|---|---|---|
"""


def listed() -> list[type[Refusal]]:
    """Return every refusal of the three packages, sorted by code, status and sentence."""
    for package in (inventory, checkout, waitroom):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    ours = {kind for kind in _below(Refusal) if not kind.__name__.startswith("_")}
    return sorted(ours, key=lambda kind: (kind.code, kind.status, kind.title))


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def page() -> str:
    """Return the page as it should stand in the docs."""
    rows = (f"| `{kind.code}` | {kind.status} | {kind.title} |" for kind in listed())
    return HEAD + "\n".join(dict.fromkeys(rows)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
