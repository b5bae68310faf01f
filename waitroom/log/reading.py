"""Reads the text of an entry of the public log into one of the kinds of `entries.py`. Pure."""

from datetime import UTC
from typing import TypeVar

import msgspec

from waitroom.log.entries import KINDS, AnyEntry, Known, Unknown

E = TypeVar("E", bound=AnyEntry)

_known: "msgspec.json.Decoder[Known]" = msgspec.json.Decoder(Known)
_envelope = msgspec.json.Decoder(Unknown)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class UnreadableEntry(ValueError):
    """An entry's text is not JSON, or does not have the fields of its kind."""


def read_entry(body: str) -> AnyEntry:
    """Return what an entry's text says; raises `UnreadableEntry`."""
    try:
        return _in_utc(_known.decode(body))
    except msgspec.ValidationError as error:
        entry = read_envelope(body)
        if entry.kind in KINDS:
            raise UnreadableEntry(str(error)) from error
        return entry
    except _UNREADABLE as error:
        raise UnreadableEntry(str(error)) from error


def read_envelope(body: str) -> Unknown:
    """Return only what every entry has, for a text that `read_entry` refuses.

    Raises `UnreadableEntry` if even that is missing.
    """
    try:
        return _in_utc(_envelope.decode(body))
    except _UNREADABLE as error:
        raise UnreadableEntry(str(error)) from error


def _in_utc(entry: E) -> E:
    # Times are compared and shown as they stand, so there must be one way to write them.
    if entry.at.tzinfo is not UTC and entry.at.utcoffset():
        raise UnreadableEntry("the time of an entry is in UTC")
    return entry
