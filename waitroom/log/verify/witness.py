"""Whether everybody is shown the same log: signed heads and other copies against this one. Pure.

A chain alone shows only that it fits together: its keeper can write a whole new one. A copy or a
signed head in other hands cannot be rewritten, so this log has to begin with it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from waitroom.log.signing import SignedHead
from waitroom.log.verify.finding import Finding, Verdict, found
from waitroom.log.verify.links import Hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Evidence kept of an earlier log: a copy, by its hashes, a signed head, or both.

    `name` is the file or address that it came from.
    """

    name: str
    hashes: Hashes | None = None
    head: SignedHead | None = None


def head_findings(
    head: SignedHead | None, *, hashes: Hashes, room: str, keys: Collection[str]
) -> list[Finding]:
    """Compare the head that the service signs with the log that it serves.

    `keys` may sign: the key that the shopper expects, or those that the log announced.
    """
    if head is None:
        said = "There is no signed head, so nothing commits the operator to this log."
        return [found("head", Verdict.CANNOT_BE_PROVED, said)]
    if head.room != room:
        said = f"The signed head is of another room: “{head.room}”."
        return [found("head", Verdict.FAILS, said)]
    if not head.is_signed():
        return [found("head", Verdict.FAILS, "The signature of the head is wrong.")]
    if head.seq > len(hashes):
        said = (
            f"The signed head covers {head.seq:,} log entries, but only {len(hashes):,} are shown."
        )
        return [found("head", Verdict.FAILS, said)]
    if hashes.at(head.seq).hex() != head.hash:
        said = f"The log shown here is not the one whose head was signed at log entry {head.seq:,}."
        return [found("head", Verdict.FAILS, said, seq=head.seq)]
    said = f"The operator's key {head.key[:16]}… signed the log up to log entry {head.seq:,}."
    return [found("head", Verdict.HOLDS, said, seq=head.seq), _key_finding(head, keys)]


def _key_finding(head: SignedHead, keys: Collection[str]) -> Finding:
    if head.key in keys:
        return found("head.key", Verdict.HOLDS, "The head is signed with the announced key.")
    if keys:
        said = "The head is signed with a key other than the announced one."
        return found("head.key", Verdict.FAILS, said)
    return found(
        "head.key",
        Verdict.CANNOT_BE_PROVED,
        f"The log does not say whether {head.key} is the operator's key: compare it with one that "
        "you have from elsewhere.",
    )


def witness_findings(
    witnesses: Sequence[Witness], *, hashes: Hashes, room: str, keys: Collection[str]
) -> list[Finding]:
    """Compare what others kept with this log."""
    if not witnesses:
        said = (
            "This log alone cannot show that everybody sees the same one: compare it with a copy "
            "or a signed head that you or somebody else kept earlier."
        )
        return [found("witness", Verdict.CANNOT_BE_PROVED, said)]
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
        said = (
            f"This log and the copy {name} are the same up to log entry {parts - 1:,} and differ "
            f"from log entry {parts:,} on: one of them was rewritten."
        )
        return found("witness", Verdict.FAILS, said, seq=parts)
    if len(copy) > len(hashes):
        said = (
            f"The copy {name} has {len(copy):,} log entries; the last "
            f"{len(copy) - len(hashes):,} of them are missing here."
        )
        return found("witness", Verdict.FAILS, said, seq=len(hashes) + 1)
    if len(copy) == 0:
        said = f"The copy {name} contains nothing that can be read."
        return found("witness", Verdict.FAILS, said)
    said = f"The log begins with all {len(copy):,} log entries of the copy {name}."
    return found("witness", Verdict.HOLDS, said)


def _older_head_finding(
    name: str, head: SignedHead, hashes: Hashes, room: str, keys: Collection[str]
) -> Finding:
    if head.room != room:
        said = f"The head {name} is of another room: “{head.room}”."
        return found("witness", Verdict.FAILS, said)
    is_signed = head.is_signed() and (not keys or head.key in keys)
    if head.seq > len(hashes):
        said = f"The head {name} covers {head.seq:,} log entries; {len(hashes):,} are shown here."
    elif hashes.at(head.seq).hex() != head.hash:
        said = (
            f"The head {name} is of another log: they differ at log entry {head.seq:,} or before."
        )
    elif is_signed:
        said = (
            f"The log up to log entry {head.seq:,} is the one that was signed when {name} was kept."
        )
        return found("witness", Verdict.HOLDS, said, seq=head.seq)
    else:
        said = f"The head {name} fits this log, but the operator's key has not signed it."
        return found("witness", Verdict.CANNOT_BE_PROVED, said, seq=head.seq)
    proof = "It is signed: this proves that the log was rewritten."
    doubt = "The operator's key has not signed it, though, so the head itself may be wrong."
    return found("witness", Verdict.FAILS, f"{said} {proof if is_signed else doubt}", seq=head.seq)
