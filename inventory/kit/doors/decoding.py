"""Typed values from JSON and from the arguments of commands. Pure."""

import re
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Meta
from msgspec.inspect import IntType, StructType, UnionType, type_info

Value = TypeVar("Value")

# A JSON object whose members no type names: a body before it is checked, a body on its way out, or
# what a table keeps as JSON. Everything else that modules hand to each other is a typed value.
Json = dict[str, Any]


class Readable(type):
    """The class of types whose values are read from a text and are plain values of Python then.

    msgspec can bound a number or match a pattern, but it can neither bound a moment nor normalize
    a text. It hands such a field to `read_field`, which asks the type's own reader.
    """

    plain: type
    read: Any
    # The JSON Schema of the texts that it reads, for the document that describes the API.
    form: Json = {"type": "string"}  # noqa: RUF012 - read alone

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.plain)


def read_field(kind: type, value: object) -> object:
    """Read the value of a field whose type msgspec does not know; raises `ValueError`."""
    if not isinstance(kind, Readable):
        raise NotImplementedError(f"no field may have the type {kind}")
    if isinstance(value, str):
        return kind.read(value)
    if isinstance(value, kind.plain):
        # A command has read its argument already.
        return value
    raise ValueError(f"Expected `str`, got `{_name_of(value)}`")


def field_schema(kind: type) -> Json:
    """Return the JSON Schema of a type that msgspec does not know."""
    if not isinstance(kind, Readable):
        raise NotImplementedError(f"no field may have the type {kind}")
    return kind.form


def _name_of(value: object) -> str:
    return {dict: "object", list: "array", type(None): "null"}.get(
        type(value), type(value).__name__
    )


# The sentences of patterns: a regular expression explains itself to few.
_SENTENCES: dict[str, str] = {}


def grammar(pattern: str, sentence: str, *, length_max: int | None = None) -> Meta:
    """Return the bounds of a field that matches a pattern; the sentence tells people its form."""
    _SENTENCES[pattern] = sentence
    return Meta(pattern=pattern, max_length=length_max)


def words_of(error: msgspec.ValidationError) -> str:
    """Return the words of a refused value, with the sentence of a type in place of its pattern."""
    said = str(error)
    for pattern, sentence in _SENTENCES.items():
        said = said.replace(f"Expected `str` matching regex {pattern!r}", sentence)
    return said


_FIELD = re.compile(r"`\$(?:\.\w+)*\.(?P<at>\w+)(?:\[[^`]*)?`|required field `(?P<missing>\w+)`")


def field_of(error: msgspec.ValidationError) -> str:
    """Return the member of a body whose value was refused, "" if it is about none."""
    found = _FIELD.search(str(error))
    return "" if found is None else found["at"] or found["missing"]


def decoder(kind: type[Value]) -> "msgspec.json.Decoder[Value]":
    """Return what decodes a body of this type."""
    return msgspec.json.Decoder(kind, dec_hook=read_field)


def convert(values: object, kind: type[Value]) -> Value:
    """Return the value of this type made of texts and plain values.

    A whole number is written in digits alone: to msgspec `1e2` is one too. Raises
    `msgspec.ValidationError`.
    """
    if isinstance(values, Mapping):
        wholes = _wholes(cast("Hashable", kind))
        for name, value in values.items():
            if isinstance(value, str) and name in wholes and not is_whole(value):
                raise msgspec.ValidationError(f"Expected `int` in digits alone - at `$.{name}`")
    return msgspec.convert(values, kind, strict=False, dec_hook=read_field)


# A column of the type `real` keeps six digits of every number.
REAL_DIGITS = 6


def check_digits(name: str, value: float) -> None:
    """Raise `ValueError` for a share or a factor with more digits than are kept."""
    kept = float(f"{value:.{REAL_DIGITS}g}")
    if round(kept, REAL_DIGITS) != value:
        raise ValueError(f"`{name}` has at most {REAL_DIGITS} digits, all within a millionth")


# More digits than any bound has; Python reads longer texts ever more slowly.
_WHOLE = re.compile("-?[0-9]{1,30}")


def is_whole(text: str) -> bool:
    """Say whether this is a whole number in digits alone, as every program reads it."""
    return _WHOLE.fullmatch(text) is not None


@cache
def _wholes(kind: Hashable) -> frozenset[str]:
    """Return the fields of a type that hold a whole number, or one of several whole things."""
    found = type_info(kind)
    if not isinstance(found, StructType):
        return frozenset()
    return frozenset(field.name for field in found.fields if _is_int(field.type))


def _is_int(kind: object) -> bool:
    if isinstance(kind, UnionType):
        return any(_is_int(one) for one in kind.types)
    return isinstance(kind, IntType)
