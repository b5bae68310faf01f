"""Names that people read, and longer texts: which text is one. Pure.

A name is one line that can be seen and told from others:

* it is normalized (NFC), so that a name typed on one machine is found from another;
* it has at least one visible character, and not only spaces and format characters;
* it has no control characters and no line breaks, and nothing that turns the direction of the text
  beside it.

Joiners stay, since some scripts and some emoji need them. A longer text may have several lines.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from inventory.kit.doors.decoding import Readable

NAME_LENGTH_MAX = 200
DESCRIPTION_LENGTH_MAX = 2000
MESSAGE_LENGTH_MAX = 1000
NOTE_LENGTH_MAX = 500

# Unicode counts these as letters or symbols, and they are drawn as nothing.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Embeddings, overrides and isolates of the text's direction.
_TURNING = "\u202a-\u202e\u2066-\u2069"
_NOT_IN_A_NAME = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_TURNING}\ud800-\udfff\ufffe\uffff]")
_NOT_IN_A_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Letters, marks, numbers, punctuation, symbols and private signs.
_VISIBLE = frozenset("LMNPS")


class UnfitText(ValueError):
    """The text cannot be a name or a description. The message says why, after the field's name."""


def is_visible(text: str) -> bool:
    """Say whether at least one character of a text can be seen."""
    return any(
        sign not in _BLANK
        and (kind := unicodedata.category(sign))[0] in _VISIBLE | {"C"}
        # Of the other characters (C), private ones are drawn by fonts of their own.
        and (kind[0] != "C" or kind == "Co")
        for sign in text
    )


def read_name(text: str, *, length_max: int = NAME_LENGTH_MAX) -> str:
    """Return a name, normalized; raises `UnfitText`."""
    name = unicodedata.normalize("NFC", text)
    if len(name) > length_max:
        raise UnfitText(f"has at most {length_max} letters")
    if _NOT_IN_A_NAME.search(name):
        raise UnfitText("has no line breaks and no control characters")
    if not is_visible(name):
        raise UnfitText("needs at least one visible character")
    return name


def read_text(text: str, *, length_max: int) -> str:
    """Return a text of any number of lines, normalized; it may be empty. Raises `UnfitText`."""
    found = unicodedata.normalize("NFC", text)
    if len(found) > length_max:
        raise UnfitText(f"has at most {length_max} letters")
    if _NOT_IN_A_TEXT.search(found):
        raise UnfitText("has no control characters but line breaks and tabs")
    return found


def read_optional_name(text: str, *, length_max: int = NAME_LENGTH_MAX) -> str:
    """Return a name or an empty text; raises `UnfitText`."""
    return read_name(text, length_max=length_max) if text else ""


def _bounded(read: Callable[..., str], length_max: int) -> "staticmethod[[str], str]":
    """Return the reader of a field, whose errors msgspec passes on with the field's place."""

    def checked(text: str) -> str:
        try:
            return read(text, length_max=length_max)
        except UnfitText as error:
            raise ValueError(f"It {error}") from error

    return staticmethod(checked)


if TYPE_CHECKING:
    Name = str
    OptionalName = str
    Line = str
    Description = str
    Message = str
    Note = str
else:

    class Name(metaclass=Readable):
        """The type of a field that holds a name."""

        plain = str
        read = _bounded(read_name, NAME_LENGTH_MAX)

    class OptionalName(metaclass=Readable):
        """The type of a field that holds a name or nothing."""

        plain = str
        read = _bounded(read_optional_name, NAME_LENGTH_MAX)

    class Line(metaclass=Readable):
        """The type of a field that holds one line with something to see in it."""

        plain = str
        read = _bounded(read_name, NOTE_LENGTH_MAX)

    class Description(metaclass=Readable):
        """The type of a field that holds a text for shoppers."""

        plain = str
        read = _bounded(read_text, DESCRIPTION_LENGTH_MAX)

    class Message(metaclass=Readable):
        """The type of a field that holds an operator's message to a room."""

        plain = str
        read = _bounded(read_text, MESSAGE_LENGTH_MAX)

    class Note(metaclass=Readable):
        """The type of a field that holds a reason or a note for the record."""

        plain = str
        read = _bounded(read_text, NOTE_LENGTH_MAX)
