"""The project's Python files, parsed, and which of them imports which."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("waitroom", "checkout", "inventory")


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def files(ending: str) -> list[Path]:
    """Return the files of our packages with an ending such as `py`."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob(f"*.{ending}"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> str:
    """Return a file's dotted name; a package is named by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in files("py")}


def imported(path: Path) -> set[str]:
    """Return everything that a file imports, wherever in it the import stands, by dotted names.

    An import for the type checker alone counts like any other.
    """
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{short(path)} imports relatively"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Return, by module, the modules of ours that it imports."""
    return {name: set(_ours(imported(path))) - {name} for name, path in modules().items()}


def _ours(names: set[str]) -> Iterator[str]:
    for name in names:
        # The last part may be something in the module.
        for module in (name, name.rpartition(".")[0]):
            if module in modules():
                yield module
                break


def folder_of(module: str) -> str:
    """Return the part of the house that a module belongs to: `waitroom.web`, or `inventory.kit`."""
    return ".".join(module.split(".")[:2])
