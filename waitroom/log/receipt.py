"""The receipt of a place: it proves that this place was given at that time. Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from waitroom.log.entries import Number

# A tree over a batch of joins has a few hundred leaves; one of 2**40 has forty steps.
PATH_HEX_MAX = 64 * 40

Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z", max_length=PATH_HEX_MAX)]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a shopper gets on joining: a receipt for a `number`, or for an `entry` in a draw.

    `seq` is the log entry of the batch in which the place was given, `first` its first number and
    `count` how many it gave. `id` is the ticket's and `random` the shopper's own part; both make
    the leaf from which `path`, hashes of 32 bytes up the Merkle tree, leads to the entry's root.
    """

    seq: Number
    line: str
    first: Number
    count: Number
    id: Hex
    random: Hex
    path: Hex
    number: Number | None = None
    entry: Number | None = None
    room: str | None = None


class UnreadableReceipt(ValueError):
    """The document is not the receipt of a room."""


def read_receipt(document: Any) -> Receipt:
    """Read a receipt as the service gives it, or an answer that holds one.

    Raises `UnreadableReceipt`.
    """
    if isinstance(document, dict) and isinstance(document.get("receipt"), dict):
        document = document["receipt"]
    try:
        receipt = msgspec.convert(document, Receipt)
    except msgspec.ValidationError as error:
        raise UnreadableReceipt(f"this is no receipt: {error}") from error
    if (receipt.number is None) == (receipt.entry is None):
        raise UnreadableReceipt("a receipt is for a number or for an entry")
    if len(receipt.path) % 64:
        raise UnreadableReceipt("the path of a receipt is of whole hashes")
    return receipt
