"""The lane behind: it is called only while no number waits in another lane. Pure."""

from collections.abc import Mapping

from waitroom.log.entries import AnyEntry, Called, Joined
from waitroom.log.verify.finding import Check, Finding
from waitroom.log.verify.line import LineAudit

LANE = "behind"


class BehindAudit:
    """Checks the calls of a room's lane behind, if it has one."""

    def __init__(self) -> None:
        self._check = Check("behind")
        self._exists = False

    def feed(self, entry: AnyEntry, lines: Mapping[str, LineAudit]) -> None:
        """Take an entry; `lines` are the room's lines as they were before it."""
        if not isinstance(entry, Called | Joined) or not _is_behind(entry.line):
            return
        self._exists = True
        if not (entry.called or (isinstance(entry, Called) and entry.again)):
            return
        for name, line in lines.items():
            if not _is_behind(name) and line.replaced_by is None and line.tail > line.head:
                self._check.fail(
                    f"Log entry {entry.seq} calls the lane behind while number {line.head + 1:,} "
                    f"of {name} was waiting.",
                    entry.seq,
                )

    def findings(self) -> list[Finding]:
        """Return what was found, nothing for a room without such a lane."""
        said = "The lane behind was called only while no number waited in another lane."
        return self._check.findings(said) if self._exists else []


def _is_behind(line: str) -> bool:
    """Say whether a line is one of the lane behind: the generation follows the lane."""
    return line.rpartition("-")[0] == LANE
