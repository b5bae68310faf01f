"""Return addresses of shoppers who were let in: an allow-list of origins and prefixes. Pure.

An address that a request names is compared with the list piece by piece, never as a text alone:
`https://shop.example.evil`, `https://shop.example@evil`, `https:shop.example` and backslashes all
begin like an address that is allowed.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inventory.kit.doors.decoding import Readable
from inventory.kit.doors.origins import Origin, parse_origin
from waitroom.gate.path import lies_below, readings

ADDRESS_LENGTH_MAX = 2000
ENTRY_LENGTH_MAX = 300
# Connectors take it out of the address again.
PASS_PARAMETER = "waitroom_pass"  # noqa: S105 - the name of a parameter

# RFC 3986 without userinfo: an `@` in the authority hides which host the rest names.
_ADDRESS = re.compile(
    r"(?P<origin>https?://[^/?#@\\\s]+)(?P<path>/[^?#\\\s]*)?(?P<rest>[?#][^\\\s]*)?", re.IGNORECASE
)
_OWN_MACHINE = re.compile(r"localhost|127\.[0-9.]+|\[::1\]")


def parse_entry(text: str) -> str:
    """Return an entry of the list as it is kept; raises `ValueError`.

    An entry is an origin such as `https://shop.example`, or a prefix such as
    `https://shop.example/checkout`. Plain http is for tests on the own machine.
    """
    if len(text) > ENTRY_LENGTH_MAX:
        raise ValueError(f"It has at most {ENTRY_LENGTH_MAX} characters")
    parts = _parts(text.strip())
    if parts is None:
        raise ValueError(
            "It is an origin such as https://shop.example, or a prefix such as "
            "https://shop.example/checkout, without a user, a backslash or a blank"
        )
    origin, path, rest = parts
    if rest:
        raise ValueError("It has no query and no fragment: these stay as the shopper sent them")
    if origin.scheme != "https" and not _OWN_MACHINE.fullmatch(origin.host):
        raise ValueError("It begins with https://, unless it is on this machine")
    if "//" in path or readings(path) != (path.casefold(),):
        raise ValueError("Its path is plain: without dots, double slashes and encoded characters")
    return origin.address + ("" if path == "/" else path)


def allowed(address: str, entries: Sequence[str]) -> str | None:
    """Return an address in its plain form if an entry of the list allows it, or None.

    `entries` are as `parse_entry` returns them.
    """
    if len(address) > ADDRESS_LENGTH_MAX:
        return None
    parts = _parts(address)
    if parts is None:
        return None
    origin, path, rest = parts
    for entry in entries:
        kept = _parts(entry)
        if kept is None or kept[0] != origin:
            continue
        # Every server has to read the path as one below the prefix.
        if all(lies_below(reading, kept[1].casefold()) for reading in readings(path)):
            return f"{origin.address}{path}{rest}"
    return None


def with_pass(address: str, text: str) -> str:
    """Return an address that hands a pass over, in its query and before its fragment."""
    page, mark, fragment = address.partition("#")
    between = "&" if "?" in page else "?"
    return f"{page}{between}{PASS_PARAMETER}={text}{mark}{fragment}"


def _parts(address: str) -> tuple[Origin, str, str] | None:
    """Return origin, path and the rest of an address; None for one that is not plainly https."""
    if not address.isascii() or not address.isprintable():
        return None
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return None
    try:
        origin = parse_origin(found["origin"])
    except ValueError:
        return None
    return origin, found["path"] or "/", found["rest"] or ""


if TYPE_CHECKING:
    ReturnAddress = str
else:

    class ReturnAddress(metaclass=Readable):
        """The type of a field that holds an entry of the allow-list."""

        plain = str
        read = staticmethod(parse_entry)
