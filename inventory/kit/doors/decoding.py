"""Typed values from JSON and from the arguments of commands. Pure."""

from typing import Any, TypeVar

import msgspec

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


def _name_of(value: object) -> str:
    return {dict: "object", list: "array", type(None): "null"}.get(
        type(value), type(value).__name__
    )


def decoder(kind: type[Value]) -> "msgspec.json.Decoder[Value]":
    """Return what decodes a body of this type."""
    return msgspec.json.Decoder(kind, dec_hook=read_field)


def convert(values: object, kind: type[Value]) -> Value:
    """Return the value of this type made of texts and plain values.

    Raises `msgspec.ValidationError`.
    """
    return msgspec.convert(values, kind, strict=False, dec_hook=read_field)
