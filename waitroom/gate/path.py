"""The readings of a path: how different servers may understand what a client sent. Pure.

Servers differ in what they decode, and in whether they resolve dots, double slashes, backslashes
and parameters of segments (`;jsessionid=…`). Some decode before they look for the query, or end a
path at a NUL. A path that a proxy forwards may therefore reach a page that its text does not name.
"""

import re
import unicodedata
from urllib.parse import unquote

# A server that decodes more often than this is not known.
_DECODED_TIMES_MAX = 4
_PARAMETERS = re.compile(r";[^/]*")
_SLASHES = re.compile(r"/{2,}")
# What some servers take for the end of a path.
_END = re.compile(r"[\0?#]")


def readings(path: str) -> tuple[str, ...]:
    """Return the paths that a server may take this one for, in small letters, the plainest first.

    `path` is as it was sent, without its query. Every reading begins with a slash and has no double
    slashes; some servers leave dot segments as they are, so some readings have these.
    """
    found = dict.fromkeys(_read(path))
    decoded = unquote(path)
    for _ in range(_DECODED_TIMES_MAX):
        found |= dict.fromkeys(_read(decoded))
        whole = unicodedata.normalize("NFKC", decoded).replace("\\", "/")
        for plain in (whole.replace("\0", ""), _END.split(whole, maxsplit=1)[0]):
            found |= dict.fromkeys((*_read(plain), *_read(_PARAMETERS.sub("", plain))))
        again = unquote(decoded)
        if again == decoded:
            break
        decoded = again
    return tuple(found)


def _read(path: str) -> tuple[str, str]:
    """Return a path with its dot segments resolved, and with them as they are."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    end = "/" if segments and path.endswith(("/", "/.", "/..")) else ""
    as_it_is = _SLASHES.sub("/", f"/{path}")
    return f"/{'/'.join(segments)}{end}".casefold(), as_it_is.casefold()


def lies_below(reading: str, folder: str) -> bool:
    """Say whether a reading is this folder or lies below it; both are in small letters."""
    folder = folder.rstrip("/")
    return reading == folder or reading.startswith(f"{folder}/")
