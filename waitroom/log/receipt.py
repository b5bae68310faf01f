"""The receipt of a place: it proves that this place was given at that time. Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from waitroom.log.entries import Number

# A tree over a batch of joins has a few hundred leaves; one of 2**40 has forty steps.
PATH_HEX_MAX = 64 * 40

Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z", max_length=PATH_HEX_MAX)]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A shopper's proof of a place, as the service gave it on joining.

    The place is a `number`, or an `entry` to a draw. It was given in the log entry `seq`, together
    with `count` places of `line` from `first` on. `id` is the ticket's and `random` the shopper's
    own part; both make the leaf. `path`, hashes of 32 bytes up the Merkle tree, leads from it to
    the entry's root. All three are in hex. `room` is the room's name, if it is known.
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
    """Read a receipt as the service gives it, or an answer that contains one.

    Raises `UnreadableReceipt`.
    """
    if isinstance(document, dict) and isinstance(document.get("receipt"), dict):
        document = document["receipt"]
    try:
        receipt = msgspec.convert(document, Receipt)
    except msgspec.ValidationError as error:
        raise UnreadableReceipt(f"this is not a receipt: {error}") from error
    if (receipt.number is None) == (receipt.entry is None):
        raise UnreadableReceipt("a receipt has either a number or an entry")
    if len(receipt.path) % 64:
        raise UnreadableReceipt("the path of a receipt consists of whole hashes")
    return receipt
