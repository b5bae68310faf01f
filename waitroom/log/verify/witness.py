"""Whether everybody is shown the same log: signed heads and other copies against this one. Pure.

A chain alone shows only that it fits together; whoever keeps the log can write a whole new one.
What somebody else has kept of it cannot be written anew: it has to be how this log begins.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from waitroom.log.entries import Hash, Number, Signature
from waitroom.log.signing import verify_head
from waitroom.log.verify.finding import Finding, Verdict, found
from waitroom.log.verify.links import Hashes


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a room's log at some moment, signed; all in hex, as it is served."""

    room: str
    seq: Number
    hash: Hash
    key: Hash
    signature: Signature
    at: str = ""

    def is_signed(self) -> bool:
        return verify_head(
            bytes.fromhex(self.key),
            bytes.fromhex(self.signature),
            room=self.room,
            seq=self.seq,
            head=bytes.fromhex(self.hash),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What somebody kept: a copy of the log, by its hashes, or a signed head, or both."""

    name: str
    hashes: Hashes | None = None
    head: SignedHead | None = None


def head_findings(
    head: SignedHead | None, *, hashes: Hashes, room: str, keys: Collection[str]
) -> list[Finding]:
    """Hold the head that the service signs against the log that it serves.

    `keys` are those that may sign: the one that the shopper expects, or what the log announced.
    """
    if head is None:
        return [
            found(
                "head",
                Verdict.CANNOT_BE_PROVED,
                "There is no signed head, so nothing ties the operator to just this log.",
            )
        ]
    if head.room != room:
        said = f"The signed head is of another room: “{head.room}”."
        return [found("head", Verdict.FAILS, said)]
    if not head.is_signed():
        return [found("head", Verdict.FAILS, "The head's signature is wrong.")]
    if head.seq > len(hashes):
        said = f"The signed head tells of {head.seq:,} entries; only {len(hashes):,} are shown."
        return [found("head", Verdict.FAILS, said)]
    if hashes.at(head.seq).hex() != head.hash:
        said = f"The log that is shown is not the one whose head was signed at entry {head.seq}."
        return [found("head", Verdict.FAILS, said, seq=head.seq)]
    said = f"The log up to entry {head.seq:,} is what the operator's key {head.key[:16]}… signed."
    return [found("head", Verdict.HOLDS, said, seq=head.seq), _key_finding(head, keys)]


def _key_finding(head: SignedHead, keys: Collection[str]) -> Finding:
    if head.key in keys:
        return found(
            "head.key", Verdict.HOLDS, "The head is signed with the key that was announced."
        )
    if keys:
        said = "The head is signed with another key than was announced."
        return found("head.key", Verdict.FAILS, said)
    return found(
        "head.key",
        Verdict.CANNOT_BE_PROVED,
        f"Whether {head.key} is the operator's key, the log does not say: compare it with one that "
        "you have from elsewhere.",
    )


def witness_findings(
    witnesses: Sequence[Witness], *, hashes: Hashes, room: str, keys: Collection[str]
) -> list[Finding]:
    """Hold what others have kept against this log."""
    if not witnesses:
        return [
            found(
                "witness",
                Verdict.CANNOT_BE_PROVED,
                "Whether others are shown the same log: compare it with a copy or a signed head "
                "that you or somebody else kept earlier.",
            )
        ]
    findings = []
    for witness in witnesses:
        if witness.hashes is not None:
            findings.append(_copy_finding(witness.name, witness.hashes, hashes))
        if witness.head is not None:
            findings.append(_older_head_finding(witness.name, witness.head, hashes, room, keys))
    return findings


def _copy_finding(name: str, copy: Hashes, hashes: Hashes) -> Finding:
    parts = copy.parts_from(hashes)
    if parts is not None:
        return found(
            "witness",
            Verdict.FAILS,
            f"This log and the copy {name} are the same up to entry {parts - 1:,} and part at "
            f"entry {parts:,}: one of them was rewritten.",
            seq=parts,
        )
    if len(copy) > len(hashes):
        return found(
            "witness",
            Verdict.FAILS,
            f"The copy {name} has {len(copy):,} entries; of those the last "
            f"{len(copy) - len(hashes):,} are missing here.",
            seq=len(hashes) + 1,
        )
    if len(copy) == 0:
        return found("witness", Verdict.FAILS, f"The copy {name} holds nothing that can be read.")
    said = f"The log begins as the copy {name} says, in all of its {len(copy):,} entries."
    return found("witness", Verdict.HOLDS, said)


def _older_head_finding(
    name: str, head: SignedHead, hashes: Hashes, room: str, keys: Collection[str]
) -> Finding:
    if head.room != room:
        said = f"The head {name} is of another room: “{head.room}”."
        return found("witness", Verdict.FAILS, said)
    is_signed = head.is_signed() and (not keys or head.key in keys)
    if head.seq > len(hashes):
        said = f"The head {name} tells of {head.seq:,} entries; {len(hashes):,} are shown here."
    elif hashes.at(head.seq).hex() != head.hash:
        said = f"The head {name} is of another log: they part at entry {head.seq:,} or before."
    elif is_signed:
        said = f"The log up to entry {head.seq:,} is what was signed when {name} was kept."
        return found("witness", Verdict.HOLDS, said, seq=head.seq)
    else:
        said = f"The head {name} fits, but the operator's key has not signed it."
        return found("witness", Verdict.CANNOT_BE_PROVED, said, seq=head.seq)
    proof = "It is signed: this proves that the log was rewritten."
    doubt = "But the operator's key has not signed it, so the mistake may be there."
    return found("witness", Verdict.FAILS, f"{said} {proof if is_signed else doubt}", seq=head.seq)
