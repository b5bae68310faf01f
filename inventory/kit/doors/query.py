"""The parameters of a query string: each is declared once, with its bounds, and reads itself. Pure.

A handler names the parameters that it reads in `described`, so the document for programs and the
program have the same names, bounds and defaults.

`QueryString` stands between the address and all of them. A parameter that somebody reads stands
there once, is text, and is not too long. A parameter that nobody reads is not looked at: shops put
marks of their own into their links, in whatever encoding they like.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.moments import MOMENT_SCHEMA, UnreadableMoment, parse_moment
from inventory.kit.doors.texts import LINE_PATTERN, TEXT_PATTERN, UnfitText, is_text
from inventory.kit.problem import BadRequest

SEARCH_LENGTH_MAX = 100
# Signed tokens and the addresses of other sites are the longest values.
VALUE_LENGTH_MAX = 4096
# A query and a form have no more parameters than this.
FIELDS_MAX = 500
# Longer texts of digits are refused unread.
DIGITS_MAX = 19
_FLAGS = {"1": True, "true": True, "0": False, "false": False}
# In a query string a plus sign that was not escaped has become a space.
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}\Z)")

# Line breaks and tabs, which are fit for a note alone.
_BREAKS = frozenset("\t\n\r")

Query = Mapping[str, str]


def fields_of(text: str, *, errors: str) -> list[tuple[str, str]]:
    """Return the names and values of a query or a form; raises `ValueError` for too many."""
    if "%" not in text and "+" not in text and "&" not in text:
        # Polls name one plain number, and come more often than all else.
        name, _, value = text.partition("=")
        return [(name, value)]
    return parse_qsl(text, keep_blank_values=True, errors=errors, max_num_fields=FIELDS_MAX)


class QueryString(Query):
    """The parameters of an address. One that is unfit raises `BadRequest` when it is read."""

    __slots__ = ("_repeated", "_values")

    def __init__(self, text: str) -> None:
        """Read a query string as it was sent; raises `BadRequest` for too many parameters."""
        try:
            # Bytes that are no UTF-8 become lone surrogates, which are no text.
            fields = fields_of(text, errors="surrogateescape") if text else []
        except ValueError as error:
            raise BadRequest(f"A query has at most {FIELDS_MAX} parameters.") from error
        self._values = dict(fields)
        self._repeated = frozenset[str]()
        if len(self._values) < len(fields):
            counted = Counter(name for name, _ in fields)
            self._repeated = frozenset(name for name, times in counted.items() if times > 1)

    def __getitem__(self, name: str) -> str:
        value = self._values[name]
        if name in self._repeated:
            raise BadRequest(f"The parameter `{name}` stands in the address more than once.")
        if len(value) > VALUE_LENGTH_MAX:
            raise BadRequest(f"The parameter `{name}` has at most {VALUE_LENGTH_MAX} characters.")
        if not is_text(value):
            raise BadRequest(f"The parameter `{name}` is text without control characters.")
        return value

    def __contains__(self, name: object) -> bool:
        """Say whether a parameter stands there, whatever its value."""
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Parameter(Protocol):
    """Anything that the query string may name; `text` tells callers what it is for."""

    @property
    def name(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def required(self) -> bool: ...

    def schema(self) -> Json:
        """Return the JSON Schema of its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole number from `low` to `high`; a `default` beyond them stands for a missing one."""

    name: str
    text: str
    default: int
    low: int
    high: int
    required: bool = field(default=False, init=False)

    def of(self, query: Query) -> int:
        """Return the number; raises `BadRequest`."""
        text = query.get(self.name)
        if text is None:
            return self.default
        digits = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
        if not digits or not self.low <= int(text) <= self.high:
            raise BadRequest(f"{self.name} must be a whole number from {self.low} to {self.high}.")
        return int(text)

    def schema(self) -> Json:
        bounds = {"type": "integer", "minimum": self.low, "maximum": self.high}
        fits = self.low <= self.default <= self.high
        return {**bounds, "default": self.default} if fits else bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text; `read` checks it and may change it, and raises `UnfitText` or `BadRequest`.

    It is one line, unless `has_lines` says that it may have several. A refusal names the parameter,
    or the `subject` where people who read a page know no parameters.
    """

    name: str
    text: str
    subject: str = ""
    read: Callable[[str], str] | None = None
    default: str = ""
    length_max: int | None = None
    pattern: str = ""
    required: bool = False
    has_lines: bool = False

    def of(self, query: Query) -> str:
        """Return the text; raises `BadRequest`, which names the parameter."""
        found = query.get(self.name)
        if found is None:
            return self.default
        if self.length_max is not None and len(found) > self.length_max:
            subject = self.subject or self.name
            raise BadRequest(f"{subject} has at most {self.length_max} characters.")
        if not (self.has_lines or _BREAKS.isdisjoint(found)):
            raise BadRequest(f"The parameter `{self.name}` is one line.")
        if self.read is None:
            return found
        try:
            return self.read(found)
        except UnfitText as error:
            raise BadRequest(f"The parameter `{self.name}` {error}.") from error

    def schema(self) -> Json:
        length_max = VALUE_LENGTH_MAX if self.length_max is None else self.length_max
        fit = TEXT_PATTERN if self.has_lines else LINE_PATTERN
        return {"type": "string", "maxLength": length_max, "pattern": self.pattern or fit}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few words; None stands for a missing one without a `default`."""

    name: str
    text: str
    words: tuple[str, ...]
    default: str | None = None
    required: bool = field(default=False, init=False)

    def of(self, query: Query) -> str | None:
        """Return the word; raises `BadRequest`, which lists all of them."""
        found = query.get(self.name)
        if found is None:
            return self.default
        if found not in self.words:
            *most, last = self.words
            listed = f"{', '.join(most)} or {last}" if most else last
            raise BadRequest(f"{self.name} must be {listed}.")
        return found

    def schema(self) -> Json:
        found: Json = {"type": "string", "enum": list(self.words)}
        return found if self.default is None else {**found, "default": self.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Yes or no, as 1 and 0; None stands for a missing one."""

    name: str
    text: str
    required: bool = field(default=False, init=False)

    def of(self, query: Query) -> bool | None:
        """Return the flag; raises `BadRequest`."""
        found = query.get(self.name)
        if found is None:
            return None
        if found not in _FLAGS:
            raise BadRequest(f"{self.name} must be 1 or 0.")
        return _FLAGS[found]

    def schema(self) -> Json:
        return {"type": "string", "enum": list(_FLAGS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A moment with its offset from UTC; None stands for a missing or an empty one."""

    name: str
    text: str
    required: bool = field(default=False, init=False)

    def of(self, query: Query) -> datetime | None:
        """Return the moment; raises `BadRequest`."""
        found = query.get(self.name, "").strip()
        try:
            return parse_moment(_LOST_PLUS.sub("+", found)) if found else None
        except UnreadableMoment as error:
            raise BadRequest(f"{self.name} must be {error}.") from error

    def schema(self) -> Json:
        return {"type": "string", "anyOf": [MOMENT_SCHEMA, {"const": ""}]}


SEARCH = Text(
    name="q",
    text="Words to search for; all are returned without any.",
    subject="A search",
    read=str.strip,
    length_max=SEARCH_LENGTH_MAX,
)
