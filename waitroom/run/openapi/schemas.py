"""The types of bodies as JSON Schema, with the words that stand beside their fields. Pure."""

import inspect
import linecache
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_type_hints

import msgspec

from inventory.kit.doors.decoding import Json, field_schema

REF = "#/components/schemas/{name}"
_FIELD = re.compile(r"    (?P<name>[a-z]\w*):")
_COMMENT = re.compile(r"    # ?(?P<text>.*)")


def type_schemas(types: Iterable[Any]) -> tuple[list[Json], Json]:
    """Return the schema of each type, and the components that they refer to."""
    listed = list(types)
    made, components = msgspec.json.schema_components(
        listed, schema_hook=field_schema, ref_template=REF
    )
    for kind in _classes(listed):
        found = components.get(kind.__name__)
        if found is not None and "properties" in found:
            _describe(kind, found)
    return [portable(schema) for schema in made], portable(components)


def _describe(kind: type, schema: Json) -> None:
    """Put the words of a class into its schema: its own docstring, and its fields' comments."""
    if kind.__doc__ and kind.__doc__.startswith(f"{kind.__name__}("):
        # A dataclass without a docstring gets its signature for one.
        schema.pop("description", None)
    if "description" in schema:
        schema["description"] = inspect.cleandoc(schema["description"])
    # A field may have another name in JSON.
    names = dict(
        zip(
            getattr(kind, "__struct_fields__", ()),
            getattr(kind, "__struct_encode_fields__", ()),
            strict=True,
        )
    )
    for ancestor in reversed(kind.__mro__):
        if ancestor.__module__.partition(".")[0] in {"inventory", "checkout", "waitroom"}:
            for field, words in field_words(ancestor).items():
                name = names.get(field, field)
                if name in schema["properties"]:
                    schema["properties"][name]["description"] = words


def field_words(kind: type) -> dict[str, str]:
    """Return the comment above each field of a class that has one."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in _lines_of(kind):
        if comment := _COMMENT.fullmatch(line):
            above.append(comment["text"].strip())
            continue
        if above and (field := _FIELD.match(line)):
            found[field["name"]] = " ".join(above)
        above = []
    return found


def _lines_of(kind: type) -> Iterator[str]:
    """Return the lines of a class in its module; `inspect` would parse the module each time."""
    lines = iter(linecache.getlines(inspect.getfile(kind)))
    head = re.compile(rf"class {kind.__name__}\b")
    for line in lines:
        if head.match(line):
            break
    for line in lines:
        if line.strip() and not line.startswith((" ", ")")):
            return
        yield line.rstrip("\n")


def _classes(types: Iterable[Any]) -> set[type]:
    """Return the classes with fields among these types, and those that their fields lead to."""
    found: set[type] = set()
    left = list(types)
    while left:
        kind = left.pop()
        left.extend(get_args(kind))
        if isinstance(kind, type) and kind not in found and hasattr(kind, "__annotations__"):
            found.add(kind)
            left.extend(get_type_hints(kind, include_extras=True).values())
    return found


def portable(schema: Any) -> Any:
    r"""Return a schema whose patterns every program reads: only Python knows `\A` and `\Z`."""
    if isinstance(schema, dict):
        return {
            name: value.replace(r"\A", "^").replace(r"\Z", "$")
            if name == "pattern" and isinstance(value, str)
            else portable(value)
            for name, value in schema.items()
        }
    return [portable(each) for each in schema] if isinstance(schema, list) else schema
