"""A page's script with everything that it imports, in one text.

Our modules are small and many. Each one that a browser has to ask for costs a slow line half a
second, since it learns of the next only from the one before. The server therefore answers the
address of an entry module with the entry and its imports together. The files stay what they are,
and a part that is imported later, by `import(…)`, is still asked for by itself.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_IMPORT = re.compile(r'^import \{ ?([\w$, ]+?) ?\} from "\./([a-z-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) ([\w$]+))", re.MULTILINE)
_NAMED = re.compile(r"^export \{ ?([\w$, ]+?) ?\};\n", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b(?!\()", re.MULTILINE)
# Comments that have their lines to themselves; none of our texts begins a line so.
_LINE_COMMENT = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*(?:[^*]|\*(?!/))*\*/[ \t]*\n", re.MULTILINE)


class NotBundled(ValueError):
    """A module is written in a way that a bundle does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """A module, apart: its code, what it takes from which others, and the names that it gives."""

    code: str
    takes: tuple[tuple[str, str], ...]
    gives: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A script and the files that it was made of."""

    text: str
    parts: tuple[Path, ...]


def bundle_of(entry: Path) -> Bundle:
    """Return an entry module with its imports, each evaluated once and before its importer.

    Raises `NotBundled`, or `OSError` for a file that is not there.
    """
    found: dict[str, _Module] = {}
    _gather(entry.parent, entry.name, found, above=())
    texts = [_wrapped(name, module) for name, module in found.items() if name != entry.name]
    main = found[entry.name]
    return Bundle(
        text="".join([*texts, _taken(main), main.code]),
        parts=tuple(entry.parent / name for name in found),
    )


def _gather(folder: Path, name: str, found: dict[str, _Module], *, above: tuple[str, ...]) -> None:
    """Put a module into `found`, behind everything that it imports."""
    if name in above:
        raise NotBundled(f"{name} imports itself by way of {above[-1]}")
    if name in found:
        return
    module = _read(folder / name)
    for names, other in module.takes:
        _gather(folder, other, found, above=(*above, name))
        missing = {taken.strip() for taken in names.split(",")} - set(found[other].gives)
        if missing:
            raise NotBundled(f"{other} does not give {', '.join(sorted(missing))} to {name}")
    found[name] = module


def _read(path: Path) -> _Module:
    text = path.read_text(encoding="utf-8")
    takes = tuple((found[1], found[2]) for found in _IMPORT.finditer(text))
    gives = [found[1] for found in _EXPORT.finditer(text)]
    for found in _NAMED.finditer(text):
        gives += [name.strip() for name in found[1].split(",")]
    code = _NAMED.sub("", _EXPORT.sub("", _IMPORT.sub("", text)))
    code = _LINE_COMMENT.sub("", _BLOCK_COMMENT.sub("", code))
    if _LEFT.search(code) or any(" as " in names for names, _ in takes):
        raise NotBundled(f"{path.name} imports or exports in another way than by names")
    return _Module(code=code, takes=takes, gives=tuple(gives))


def _taken(module: _Module) -> str:
    return "".join(f"const {{ {names} }} = {_name(other)};\n" for names, other in module.takes)


def _wrapped(name: str, module: _Module) -> str:
    given = ", ".join(module.gives)
    return (
        f"const {_name(name)} = (() => {{\n{_taken(module)}{module.code}return {{ {given} }};\n"
        "})();\n"
    )


def _name(file: str) -> str:
    return "module_" + file.removesuffix(".js").replace("-", "_")
