"""Names that people read, and longer texts: which text is one. Pure.

A name is one line that can be seen and told from others:

* it is normalized (NFC), so that a name typed on one machine is found from another;
* it has at least one visible character, and not only spaces, format characters and marks;
* it has no control characters and no line breaks, and nothing that turns the direction of the text
  beside it or hides a part of it.

Joiners stay, since some scripts and some emoji need them. A longer text may have several lines. A
note for the record may too, but it is either blank or has something to see in it.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from inventory.kit.doors.decoding import Json, Readable

NAME_LENGTH_MAX = 200
DESCRIPTION_LENGTH_MAX = 2000
MESSAGE_LENGTH_MAX = 1000
NOTE_LENGTH_MAX = 500

# Letters and symbols that are drawn as nothing, and no default-ignorable code points: the blank of
# Braille, the replacement of an object, blanks of hieroglyphs, the empty head of a note.
_BLANK = frozenset("\u2800\ufffc\U00013441\U00013442\U0001d159")
# The property Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt), which
# `unicodedata` lacks: programs draw these code points as nothing, whatever their category is.
_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
# Embeddings, overrides and isolates of the text's direction.
_TURNING = "\u202a-\u202e\u2066-\u2069"
# The signs of interlinear annotation hide the text between them.
_HIDING = "\ufff9-\ufffb"
_NOT_IN_A_NAME = re.compile(
    rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_TURNING}{_HIDING}\ud800-\udfff\ufffe\uffff]"
)
_NOT_IN_A_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# The same for JSON Schemas, whose readers know no lone surrogates.
TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]*$"
LINE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\ufffe\uffff]*$"
# Letters, numbers, punctuation and symbols. A mark is seen on what stands before it, and not alone.
_VISIBLE = frozenset("LNPS")


class UnfitText(ValueError):
    """The text cannot be a name or a description. The message says why, after the field's name."""


def is_visible(text: str) -> bool:
    """Say whether at least one character of a text can be seen."""
    return any(_shows(sign) for sign in text)


def is_ignorable(sign: str) -> bool:
    """Say whether programs draw this character as nothing by default."""
    return any(first <= ord(sign) <= last for first, last in _IGNORABLE)


def _shows(sign: str) -> bool:
    kind = unicodedata.category(sign)
    # Private signs (Co) are drawn by fonts of their own.
    drawn = kind[0] in _VISIBLE or kind == "Co"
    return drawn and sign not in _BLANK and not is_ignorable(sign)


def read_name(text: str, *, length_max: int = NAME_LENGTH_MAX) -> str:
    """Return a name, normalized; raises `UnfitText`."""
    return _read_line(unicodedata.normalize("NFC", text), length_max=length_max)


def read_published(text: str, *, length_max: int = NOTE_LENGTH_MAX) -> str:
    """Return a line exactly as another publishes it, without the space around it.

    Raises `UnfitText`.
    """
    return _read_line(text.strip(), length_max=length_max)


def _read_line(text: str, *, length_max: int) -> str:
    if len(text) > length_max:
        raise UnfitText(f"has at most {length_max} letters")
    if _NOT_IN_A_NAME.search(text):
        raise UnfitText("has no line breaks and no control characters")
    if not is_visible(text):
        raise UnfitText("needs at least one visible character")
    return text


def is_text(text: str) -> bool:
    """Say whether a text has no control characters but line breaks and tabs."""
    return _NOT_IN_A_TEXT.search(text) is None


def read_text(text: str, *, length_max: int) -> str:
    """Return a text of any number of lines, normalized; it may be empty. Raises `UnfitText`."""
    found = unicodedata.normalize("NFC", text)
    if len(found) > length_max:
        raise UnfitText(f"has at most {length_max} letters")
    if not is_text(found):
        raise UnfitText("has no control characters but line breaks and tabs")
    return found


def read_reason(text: str, *, length_max: int = NOTE_LENGTH_MAX) -> str:
    """Return a text that says something; raises `UnfitText`."""
    found = read_text(text, length_max=length_max)
    if not is_visible(found):
        raise UnfitText("needs at least one visible character")
    return found


def read_note(text: str, *, length_max: int = NOTE_LENGTH_MAX) -> str:
    """Return a reason or a blank text; raises `UnfitText`."""
    return (read_reason if text.strip() else read_text)(text, length_max=length_max)


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


def _form(length_min: int, length_max: int) -> Json:
    """Return the JSON Schema of such a text, as far as it can say which texts are refused."""
    return {"type": "string", "minLength": length_min, "maxLength": length_max}


if TYPE_CHECKING:
    Name = str
    OptionalName = str
    Line = str
    Published = str
    Description = str
    Message = str
    Note = str
    Reason = str
else:

    class Name(metaclass=Readable):
        """The type of a field that holds a name."""

        plain = str
        read = _bounded(read_name, NAME_LENGTH_MAX)
        form = _form(1, NAME_LENGTH_MAX)

    class OptionalName(metaclass=Readable):
        """The type of a field that holds a name or nothing."""

        plain = str
        read = _bounded(read_optional_name, NAME_LENGTH_MAX)
        form = _form(0, NAME_LENGTH_MAX)

    class Line(metaclass=Readable):
        """The type of a field that holds one line with something to see in it."""

        plain = str
        read = _bounded(read_name, NOTE_LENGTH_MAX)
        form = _form(1, NOTE_LENGTH_MAX)

    class Published(metaclass=Readable):
        """The type of a field that holds one line exactly as another publishes it."""

        plain = str
        read = _bounded(read_published, NOTE_LENGTH_MAX)
        form = _form(1, NOTE_LENGTH_MAX)

    class Description(metaclass=Readable):
        """The type of a field that holds a text for shoppers."""

        plain = str
        read = _bounded(read_text, DESCRIPTION_LENGTH_MAX)
        form = _form(0, DESCRIPTION_LENGTH_MAX)

    class Message(metaclass=Readable):
        """The type of a field that holds an operator's message to a room."""

        plain = str
        read = _bounded(read_text, MESSAGE_LENGTH_MAX)
        form = _form(0, MESSAGE_LENGTH_MAX)

    class Note(metaclass=Readable):
        """The type of a field that holds a reason or a note for the record, or nothing."""

        plain = str
        read = _bounded(read_note, NOTE_LENGTH_MAX)
        form = _form(0, NOTE_LENGTH_MAX)

    class Reason(metaclass=Readable):
        """The type of a field that holds a reason, which must be given."""

        plain = str
        read = _bounded(read_reason, NOTE_LENGTH_MAX)
        form = _form(1, NOTE_LENGTH_MAX)
