"""Logs that somebody changed, with all hashes made to fit again, and a look at the findings."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from honest_log import SECRET, HonestLog, chained, drawn_log, plain_log

from waitroom.log.chain import LogEntry
from waitroom.log.signing import LogKey
from waitroom.log.verify.finding import Finding, Verdict

PLAIN = plain_log()
DRAWN = drawn_log()
WITH_VALUE = drawn_log(source="drand 4711", value="8f3a")
KEY = LogKey(SECRET).public.hex()
STRANGER = bytes(32)
OTHER_HASH = sha256(b"other").hexdigest()


def failed(findings: Iterable[Finding]) -> set[str]:
    return {finding.check for finding in findings if finding.verdict is Verdict.FAILS}


def of(check: str, findings: Iterable[Finding]) -> Finding:
    return next(finding for finding in findings if finding.check == check)


def bodies_of(log: HonestLog) -> list[dict[str, Any]]:
    return [json.loads(entry.body) for entry in log.entries]


def seq_of(log: HonestLog, kind: str, nth: int = 0) -> int:
    """Return where the nth entry of a kind stands."""
    return [body["seq"] for body in bodies_of(log) if body["kind"] == kind][nth]


def rewritten(log: HonestLog, seq: int, /, **changes: Any) -> list[LogEntry]:
    """Change what an entry says and make all hashes fit again, as whoever keeps the log could."""
    bodies = bodies_of(log)
    bodies[seq - 1] |= changes
    return chained([json.dumps(body) for body in bodies])


def renumbered(bodies: list[dict[str, Any]]) -> list[LogEntry]:
    """Number entries anew after some were put in or left out, and make all hashes fit."""
    return chained([json.dumps({**body, "seq": n}) for n, body in enumerate(bodies, start=1)])


def put_in(log: HonestLog, after: int, kind: str, **facts: Any) -> list[LogEntry]:
    bodies = bodies_of(log)
    at = bodies[after - 1]["at"]
    bodies.insert(after, {"seq": 0, "kind": kind, "at": at, "line": log.line, **facts})
    return renumbered(bodies)


def left_out(log: HonestLog, seq: int) -> list[LogEntry]:
    return renumbered([body for body in bodies_of(log) if body["seq"] != seq])


def said(check: str, findings: Iterable[Finding]) -> str:
    """Return all that one check says is wrong."""
    return " ".join(f.sentence for f in findings if f.check == check and f.verdict is Verdict.FAILS)
