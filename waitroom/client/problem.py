"""Refusals and silences as a caller of the service meets them. Pure."""

import msgspec

from inventory.kit.doors.decoding import Json


class NoAnswer(Exception):
    """The service could not be reached, however often it was asked."""


class Problem(Exception):
    """The service refused a call (RFC 9457).

    `code` is stable, `detail` is a sentence for people, `field` names the member of the body that
    was refused, `members` has everything that the problem says. `retry_after_s` is None where no
    repeat helps.
    """

    def __init__(self, status: int, members: Json, *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.code = str(members.get("code") or f"http_{status}")
        self.detail = str(members.get("detail") or members.get("title") or f"It answered {status}.")
        self.field = str(members.get("field") or "")
        self.members = members
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.code}: {self.detail}")


def problem_of(status: int, raw: bytes, *, retry_after_s: float | None) -> Problem:
    """Return the problem that an answer tells; a proxy's own page tells only its status."""
    try:
        members = msgspec.json.decode(raw, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        members = {}
    return Problem(status, members, retry_after_s=retry_after_s)
