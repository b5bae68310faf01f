"""Reading a log from a room's address, a page of its log, or a file kept earlier.

A file holds JSON lines: entries, pages as they are served, or a signed head; a file with one JSON
document over several lines is read as well. `saved` writes such a file, head first.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from waitroom.log.chain import Served
from waitroom.log.receipt import Receipt, UnreadableReceipt, read_receipt
from waitroom.log.signing import SignedHead
from waitroom.log.verify.fetch import Fetcher, NotThere, SourceError
from waitroom.log.verify.links import hashes_of
from waitroom.log.verify.witness import Witness

PAGE_ENTRIES = 1000
# A sale to a million shoppers has a few thousand entries.
ENTRIES_MAX = 20_000_000
FILE_BYTES_MAX = 4 * 2**30
# A document over several lines is held in memory whole.
DOCUMENT_BYTES_MAX = 256 * 2**20
RECEIPT_BYTES_MAX = 2**20

_ROOM_PATH = re.compile(r"(?P<base>.*)/rooms/(?P<room>[^/]+)(?P<rest>/log|/log/head)?/?")


@dataclass(slots=True)
class Source:
    """One log: its room if that is known, its signed head if it has one, its entries in order."""

    name: str
    room: str | None = None
    head: SignedHead | None = None
    entries: Iterable[Served] = field(default_factory=list)


def open_source(text: str) -> Source:
    """Open a log by address or file name; entries follow as they are asked for.

    Raises `SourceError`, which reading the entries may do as well.
    """
    return _open_address(text, Fetcher()) if "://" in text else _open_file(text)


def open_witness(text: str) -> Witness:
    """Read a copy of the log, a signed head, or both; raises `SourceError`.

    A witness has to be read before the log itself, which may grow meanwhile.
    """
    source = open_source(text)
    hashes = hashes_of(source.entries)
    if not len(hashes) and source.head is None:
        raise SourceError(f"{text} holds neither entries nor a signed head")
    return Witness(name=text, hashes=hashes if len(hashes) else None, head=source.head)


def open_receipt(path: Path) -> Receipt:
    """Read a receipt from a file; raises `SourceError`."""
    try:
        with path.open("rb") as file:
            document = msgspec.json.decode(file.read(RECEIPT_BYTES_MAX))
        return read_receipt(document)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError, UnreadableReceipt) as error:
        raise SourceError(f"{path}: {error}") from error


@contextmanager
def saved(source: Source, path: Path) -> Iterator[Iterable[Served]]:
    """Write a log to a new file, head first, while its entries go by; raises `SourceError`.

    An older copy is proof, so it is never overwritten. A copy that breaks off proves nothing and is
    deleted.
    """
    try:
        with path.open("xb") as file:
            yield _written(source, file)
    except FileExistsError as error:
        raise SourceError(f"{path} already exists, and a copy is never overwritten") from error
    except OSError as error:
        raise SourceError(f"cannot save to {path}: {error.strerror}") from error
    except SourceError:
        path.unlink()
        raise


def _written(source: Source, file: IO[bytes]) -> Iterator[Served]:
    if source.head is not None:
        file.write(msgspec.json.encode(source.head) + b"\n")
    for entry in source.entries:
        file.write(msgspec.json.encode(entry) + b"\n")
        yield entry


# Addresses.


def _open_address(text: str, fetcher: Fetcher) -> Source:
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        _ = parts.port
    except ValueError as error:
        raise SourceError(f"{text} is not a URL: {error}") from error
    match = _ROOM_PATH.fullmatch(parts.path)
    if parts.scheme not in {"http", "https"} or not parts.hostname or match is None:
        raise SourceError(f"{text} is not a room's address, such as https://shop/rooms/drop")
    path = f"{match['base']}/rooms/{match['room']}/log"
    log = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    try:
        head = _head(_document(fetcher.get(f"{log}/head"), f"{log}/head"))
    except NotThere:
        head = None
    entries: Iterable[Served] = []
    if match["rest"] != "/log/head":
        entries = _pages(fetcher, log)
    return Source(text, room=match["room"], head=head, entries=entries)


def _pages(fetcher: Fetcher, log: str) -> Iterator[Served]:
    """Yield the entries of a log page by page; each page says where the next one begins."""
    after, count = 0, 0
    while True:
        url = f"{log}?after={after}&limit={PAGE_ENTRIES}"
        page = _document(fetcher.get(url), url)
        entries, following = page.get("entries"), page.get("next")
        if not isinstance(entries, list):
            raise SourceError(f"{url} does not answer with a page of a log")
        yield from _entries_of(entries)
        count += len(entries)
        if following is None:
            return
        # A page that leads to itself, or back, would be requested forever.
        if type(following) is not int or following <= after or count > ENTRIES_MAX:
            raise SourceError(
                f"{url} names {following!r} as the next page, which is no way through a log"
            )
        after = following


def _document(text: bytes, name: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SourceError(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SourceError(f"{name} does not look like a log")
    return found


# Files.


def _open_file(text: str) -> Source:
    path = Path(text)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise SourceError(f"{text} is not a file")
    except OSError as error:
        raise SourceError(f"cannot read {text}: {error.strerror}") from error
    if size > FILE_BYTES_MAX:
        raise SourceError(f"{text} is larger than {FILE_BYTES_MAX // 2**30} GiB")
    documents = _documents(path)
    first = next(documents, None)
    source = Source(text)
    if isinstance(first, dict) and "signature" in first:
        source.head = _head(first)
        first = next(documents, None)
    if isinstance(first, dict) and isinstance(first.get("room"), str) and "entries" in first:
        source.room = first["room"]
    source.entries = _entries_of([] if first is None else chain([first], documents))
    return source


def _documents(path: Path) -> Iterator[Any]:
    """Yield a file's JSON documents, one a line, or the whole file as one document."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                    if number > 1:
                        raise SourceError(f"{path}, line {number}: {error}") from error
                    yield _whole(path, error)
                    return
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def _whole(path: Path, error: Exception) -> Any:
    if path.stat().st_size > DOCUMENT_BYTES_MAX:
        raise SourceError(f"{path}, line 1: {error}") from error
    try:
        return msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as whole:
        raise SourceError(f"{path} is not JSON: {whole}") from whole


def _entries_of(documents: Iterable[Any]) -> Iterator[Served]:
    """Yield the entries in documents, which are entries, pages, or lists of either."""
    for document in documents:
        for each in document if isinstance(document, list) else [document]:
            page = each.get("entries") if isinstance(each, dict) else None
            for entry in page if isinstance(page, list) else [each]:
                # The audit reports an empty mapping as an entry that cannot be read.
                yield entry if isinstance(entry, dict) else {}


def _head(document: Any) -> SignedHead:
    try:
        return msgspec.convert(document, SignedHead)
    except msgspec.ValidationError as error:
        raise SourceError(f"this is not a signed head: {error}") from error
