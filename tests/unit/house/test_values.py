"""What modules hand to each other has a type that names its parts."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sources import files, module_of, tree

# A reader of such a type cannot tell what is in the value, and a misspelt name is no error.
SHAPELESS = re.compile(
    r"\b([dD]ict|(Mutable)?Mapping)\[str, (Any|object)\]|\b[dD]ict\b(?!\[)|\basyncpg\.Record\b"
)
# A body on its way out, or the schema of one: its function stands beside the value or the handler,
# and says so.
BODY = re.compile(r"(body|bodies|json|schemas?)\Z")

EXCUSED = {
    # Each of these names the one kind of value that has no shape of its own.
    "inventory.kit.doors.decoding.Json": "a JSON object on its way in, on its way out, or kept",
    "inventory.kit.pages.Context": "the values of a template, and Jinja knows no types",
    "waitroom.log.chain.Served": "an entry of a log before it is checked",
    "waitroom.log.entries.RuleValues": "rules by name, of this version of the program or of others",
    "waitroom.run.settings.Overrides": "options of a command, which `Settings` checks",
    # Rows stay within the folder that asks for them.
    "inventory.kit.database.ask": "the rows of any query; the store that asks reads them",
    "inventory.kit.turns.Audits.fetch": "the rows of any query; the store that asks reads them",
    "inventory.sku_store.sku_of": "two stores ask for SKUs, and one function reads the row",
    "checkout.refund_store.refund_of": "two stores ask for refunds, and one function reads the row",
    "waitroom.store.room_rows.room_rules": "two stores ask for rooms, and one module reads the row",
    "waitroom.store.room_rows.rooms_on_file": "like `room_rules`",
}
# These return JSON that is no body.
JSON_EXCUSED = {
    "inventory.sku_store.fields_set": "the fields of one change, for `jsonb_populate_record`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A type that other modules see: of a parameter, a result (without a name), or a field."""

    owner: str
    name: str
    type: str


def shown(module: str, body: list[ast.stmt]) -> Iterator[Shown]:
    """Yield the types in the signatures, fields and aliases that have a public name."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if _is_public(node.name):
                yield from _signature(f"{module}.{node.name}", node)
            case ast.ClassDef() if _is_public(node.name):
                yield from shown(f"{module}.{node.name}", node.body)
            case ast.AnnAssign(target=ast.Name(name)) if _is_public(name):
                yield Shown(owner=f"{module}.{name}", name=name, type=ast.unparse(node.annotation))
            case ast.Assign(targets=[ast.Name(name)], value=ast.Subscript()) if _is_public(name):
                yield Shown(owner=f"{module}.{name}", name=name, type=ast.unparse(node.value))


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in {"__init__", "__call__"}


def _signature(owner: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Shown]:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for argument in [*named, arguments.vararg, arguments.kwarg]:
        if argument is not None and argument.annotation is not None:
            kind = ast.unparse(argument.annotation)
            yield Shown(owner=owner, name=argument.arg, type=kind)
    if node.returns is not None:
        yield Shown(owner=owner, name="", type=ast.unparse(node.returns))


def all_shown() -> list[Shown]:
    return [each for path in files("py") for each in _of(path)]


def _of(path: Path) -> Iterator[Shown]:
    return shown(module_of(path), tree(path).body)


def test_values_between_modules_have_a_shape() -> None:
    found = all_shown()

    assert len(found) > 4000
    shapeless = {each.owner: each for each in found if SHAPELESS.search(each.type)}
    assert [each for owner, each in shapeless.items() if owner not in EXCUSED] == []
    assert EXCUSED.keys() - shapeless.keys() == set()


def test_json_is_returned_by_what_makes_a_body() -> None:
    returns = {each.owner for each in all_shown() if not each.name and "Json" in each.type}

    assert len(returns) > 10
    others = {owner for owner in returns if not BODY.search(owner)}
    assert others == JSON_EXCUSED.keys()


def test_a_shapeless_type_is_recognized() -> None:
    source = """
Alias = dict[str, Any]
_private: dict[str, Any] = {}
class Store:
    field: list[tuple[float, dict[str, Any]]]
    def __init__(self, row: asyncpg.Record) -> None: ...
    async def read(self, *, values: Mapping[str, object]) -> dict: ...
    def _row(self) -> asyncpg.Record: ...
class _Hidden:
    field: dict[str, Any]
def fine(counts: dict[str, int], recorded: Recording) -> Json: ...
"""
    found = [each for each in shown("m", ast.parse(source).body) if SHAPELESS.search(each.type)]

    assert [(each.owner, each.name) for each in found] == [
        ("m.Alias", "Alias"),
        ("m.Store.field", "field"),
        ("m.Store.__init__", "row"),
        ("m.Store.read", "values"),
        ("m.Store.read", ""),
    ]
