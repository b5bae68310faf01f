"""The requests of a site that a gate protects, by their path, cookies and headers. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from inventory.kit.doors.decoding import Readable
from waitroom.gate.path import lies_below, readings

PATTERN_LENGTH_MAX = 200

# RFC 9110, section 5.6.2: the name of a cookie or a header.
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_COOKIE = re.compile(rf"(?P<name>{_NAME})(?:=(?P<value>[\x21-\x7e]*))?")
_HEADER = re.compile(rf"(?P<name>{_NAME})(?:: ?(?P<value>[\x20-\x7e]*))?")


def _parse_path(text: str) -> str:
    if text and (len(text) > PATTERN_LENGTH_MAX or text.count("*") > 1 or not text.isprintable()):
        raise ValueError(f"A path has at most {PATTERN_LENGTH_MAX} characters and at most one *")
    if text and not text.startswith(("/", "*")):
        raise ValueError("A path begins with a slash, or with a * for any beginning")
    if "?" in text or "#" in text:
        raise ValueError("A path is compared without its query")
    return text


def _parse_cookie(text: str) -> str:
    return _parse(text, _COOKIE, "A cookie is its name, or name=value")


def _parse_header(text: str) -> str:
    return _parse(text, _HEADER, "A header is its name, or Name: value")


def _parse(text: str, form: re.Pattern[str], sentence: str) -> str:
    if text and (len(text) > PATTERN_LENGTH_MAX or form.fullmatch(text) is None):
        raise ValueError(f"{sentence}, of at most {PATTERN_LENGTH_MAX} characters")
    return text


if TYPE_CHECKING:
    PathPattern = str
    CookiePattern = str
    HeaderPattern = str
else:

    class PathPattern(metaclass=Readable):
        """The type of a field that holds a path and everything below it, or a text with one *."""

        plain = str
        read = staticmethod(_parse_path)

    class CookiePattern(metaclass=Readable):
        """The type of a field that holds the name of a cookie, and its value if that matters."""

        plain = str
        read = staticmethod(_parse_cookie)

    class HeaderPattern(metaclass=Readable):
        """The type of a field that holds the name of a header, and its value if that matters."""

        plain = str
        read = staticmethod(_parse_header)


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Conditions that a request meets all together; one that is left empty holds for every request.

    `path` is a path with everything below it, or has one `*` for any characters. `cookie` is a name
    or `name=value`, `header` a name or `Name: value`. Requests that match are protected; with
    `lets_pass` they need no session, whatever other triggers say.
    """

    path: PathPattern = ""
    cookie: CookiePattern = ""
    header: HeaderPattern = ""
    lets_pass: bool = False

    def __post_init__(self) -> None:
        if not (self.path or self.cookie or self.header):
            raise ValueError("A trigger names a path, a cookie or a header")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRequest:
    """A request to the site, as its proxy tells of it.

    `path` is as it was sent, without the query. `cookies` and `headers` have every value by name;
    the names of headers are in small letters.
    """

    path: str
    cookies: Mapping[str, Sequence[str]]
    headers: Mapping[str, Sequence[str]]


def is_protected(request: SiteRequest, triggers: Sequence[Trigger]) -> bool:
    """Say whether a request needs a session. Without a trigger that protects, all requests do."""
    paths = readings(request.path)
    exempt = [one for one in triggers if one.lets_pass]
    if any(_meets(request, one) and _every(paths, one.path) for one in exempt):
        return False
    protecting = [one for one in triggers if not one.lets_pass]
    return not protecting or any(
        _meets(request, one) and _any(paths, one.path) for one in protecting
    )


def _meets(request: SiteRequest, trigger: Trigger) -> bool:
    """Say whether a request has the trigger's cookie and header."""
    if trigger.cookie:
        name, has_value, value = trigger.cookie.partition("=")
        sent = request.cookies.get(name, ())
        if not sent or (has_value and value not in sent):
            return False
    if trigger.header:
        name, has_value, value = trigger.header.partition(":")
        sent = request.headers.get(name.lower(), ())
        wanted = value.strip()
        if not sent or (has_value and wanted not in {one.strip() for one in sent}):
            return False
    return True


def _every(paths: Sequence[str], pattern: str) -> bool:
    return all(_fits(path, pattern.casefold()) for path in paths)


def _any(paths: Sequence[str], pattern: str) -> bool:
    return any(_fits(path, pattern.casefold()) for path in paths)


def _fits(path: str, pattern: str) -> bool:
    if not pattern:
        return True
    before, star, after = pattern.partition("*")
    if not star:
        return lies_below(path, pattern)
    long_enough = len(path) >= len(before) + len(after)
    return long_enough and path.startswith(before) and path.endswith(after)
