"""The document of a room: its keys, and how it differs from another. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from inventory.catalogue import Code, Currency, ProductFields, SkuFields, Units
from inventory.kit.doors.decoding import Json, check_digits, grammar, read_field, words_of
from waitroom.admin.bodies import RoomChange
from waitroom.admin.rooms.lanes import ProfileChange, Share
from waitroom.client.answers import FileChange
from waitroom.gate.rules import NO_GATE, GateRules
from waitroom.look.look import PLAIN, RoomLook, Texts, unreadable

# More goods than this are better loaded as a catalogue's file.
SKUS_MAX = 500
LANES_MAX = 50
# A key of a document by its parts, such as ("lanes", "press").
Path = tuple[str, ...]

# As the constraints `lane_is_a_slug` and `profile_is_a_slug`.
LaneName = Annotated[
    str,
    grammar(
        r"^[a-z][a-z0-9]{0,30}\Z",
        "A lane's name has 1 to 31 small letters and digits, a letter first",
    ),
]
ProfileName = Annotated[
    str,
    grammar(
        r"^[a-z0-9][a-z0-9-]{0,30}\Z",
        "A profile's name has 1 to 31 small letters, digits and hyphens, no hyphen first",
    ),
]


class SkuFile(SkuFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A SKU; `on_hand` is every unit that came in, with those that are held and sold."""

    on_hand: Units | UnsetType = UNSET


class ProductFile(ProductFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    skus: Annotated[dict[Code, SkuFile], Meta(max_length=SKUS_MAX)] = field(default_factory=dict)


class RoomFile(RoomChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A room's rules at the top, and its parts below. The currency is for a room that is made."""

    currency: Currency | UnsetType = UNSET
    lanes: Annotated[dict[LaneName, Share], Meta(max_length=LANES_MAX)] = field(
        default_factory=dict
    )
    profiles: Annotated[dict[ProfileName, ProfileChange], Meta(max_length=LANES_MAX)] = field(
        default_factory=dict
    )
    look: RoomLook = PLAIN
    gate: GateRules = NO_GATE
    products: Annotated[dict[Code, ProductFile], Meta(max_length=SKUS_MAX)] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for share in self.lanes.values():
            check_digits("lanes", share)
        for refused in unreadable(self.look):
            raise ValueError(f"`look.{refused.field}`: {refused.sentence}")
        if sum(len(product.skus) for product in self.products.values()) > SKUS_MAX:
            raise ValueError(f"A room's file has at most {SKUS_MAX} SKUs; import a catalogue")


# The rules of a room, as they stand at the top of its document.
RULES = tuple(name for name in RoomChange.__struct_fields__ if name != "reason")
# Keys below which each key is a name that the author chose.
_NAMED: tuple[tuple[str, ...], ...] = (
    *(("lanes",), ("profiles",), ("products",), ("look", "texts")),
    ("products", "*", "skus"),
)
# Keys whose value is compared and applied as a whole.
_WHOLE = (("profiles", "*"),)
_FIELDS: Mapping[Path, tuple[str, ...]] = {
    (): (*RULES, "reason", "currency", "lanes", "profiles", "look", "gate", "products"),
    ("look",): RoomLook.__struct_fields__,
    ("look", "texts", "*"): Texts.__struct_fields__,
    ("gate",): GateRules.__struct_fields__,
    ("profiles", "*"): ProfileChange.__struct_fields__,
    ("products", "*"): ProductFile.__struct_fields__,
    ("products", "*", "skus", "*"): SkuFile.__struct_fields__,
}


def wanted_json(said: Json) -> Json:
    """Return the given keys of a document, checked; raises `msgspec.ValidationError`.

    Values have the types of the API's bodies; moments are moments in UTC.
    """
    typed = plain_json(_checked(said))
    found: Json = _given(said, typed)
    return found


def _checked(said: Json) -> RoomFile:
    return msgspec.convert(said, RoomFile, dec_hook=read_field)


def plain_json(value: object) -> Json:
    """Return a typed value as plain ones, with moments in UTC."""
    found = msgspec.to_builtins(value, builtin_types=(datetime,))
    made: Json = _in_utc(found)
    return made


def _in_utc(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_utc(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_in_utc(one) for one in value]
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _given(said: Any, typed: Any) -> Any:
    """Return the typed values of the keys that a document gives; it may leave out others."""
    if isinstance(said, dict) and isinstance(typed, dict):
        return {name: _given(said[name], typed[name]) for name in said if name in typed}
    return typed


def leaves(document: Json, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each key of a document with its value; what is compared as a whole is one key."""
    for name, value in document.items():
        here = (*path, name)
        if isinstance(value, dict) and _shape(here) not in _WHOLE:
            yield from leaves(value, here)
        else:
            yield here, value


def differences(wanted: Json, standing: Json) -> list[tuple[Path, FileChange]]:
    """Return the keys of a document whose values are not those of the room."""
    has = dict(leaves(standing))
    return [
        (path, FileChange(key=spell(path), was=has.get(path, UNSET), now=value))
        for path, value in leaves(wanted)
        if path != ("reason",) and (path not in has or has[path] != value)
    ]


def spell(path: Path) -> str:
    """Write a key as TOML does, such as `products."mug.blue".name`."""
    return ".".join(
        part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"' for part in path
    )


def faults(said: Json) -> list[tuple[str, str]]:
    """Return each key of a document that is refused by itself, with the reason in words.

    The same checks are made by the service, which also knows the room.
    """
    found = list(_faults_of_keys(said, ()))
    if not found:
        try:
            _checked(said)
        except msgspec.ValidationError as error:
            found.append(("", words_of(error).partition(" - at ")[0]))
    return found


def _faults_of_keys(said: Json, path: Path) -> Iterator[tuple[str, str]]:
    known = _FIELDS.get(_shape(path))
    for name, value in said.items():
        here = (*path, name)
        if known is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield (
                spell(here),
                "there is no such key" + (f"; did you mean {near[0]}?" if near else ""),
            )
        elif isinstance(value, dict) and value and _shape(here) not in _WHOLE and _holds(here):
            yield from _faults_of_keys(value, here)
        else:
            yield from _fault_of(here, value)


def _holds(path: Path) -> bool:
    shape = _shape(path)
    return shape in _FIELDS or shape in _NAMED


def _fault_of(path: Path, value: Any) -> Iterator[tuple[str, str]]:
    alone: Any = value
    for part in reversed(path):
        alone = {part: alone}
    try:
        _checked(alone)
    except msgspec.ValidationError as error:
        yield spell(path), words_of(error).partition(" - at ")[0].replace("`", "")


def _shape(path: Path) -> Path:
    """Return a key with `*` in place of names that its author chose."""
    shape: Path = ()
    for part in path:
        shape = (*shape, "*" if shape in _NAMED else part)
    return shape
