"""The fairness report in a few plain sentences. Pure."""

from collections.abc import Iterator

from waitroom.reports.fairness.fairness_report import FairnessReport
from waitroom.reports.fairness.overtaking import Cause

CAUSES = {
    Cause.LANE: "by a lane that the operators had opened",
    Cause.OPERATOR: "because operators replaced the line by a new one",
    Cause.CALLED_AT_ONCE: "by arrivals that were called as they joined",
    Cause.CAME_BACK: "after missing a call and coming back",
    Cause.STEPPED_ASIDE: "after choosing to step aside",
    Cause.NOT_FREE: "while what they came for was not free",
    Cause.UNEXPLAINED: "without a recorded reason",
}


def verdict(report: FairnessReport) -> str:
    """Return the report's conclusion; faults come first."""
    faults = list(_faults(report))
    if faults:
        line = "This line" if report.over else "So far, this line"
        return f"{line} was not fair by its own rules: {_listed(faults)}."
    if not report.called:
        return "Nobody has been called yet, so there is nothing to judge."
    return " ".join([_order(report), *_draws(report), _found(report)])


def _faults(report: FairnessReport) -> Iterator[str]:
    unexplained = report.overtaken.causes[Cause.UNEXPLAINED]
    if unexplained.people:
        were = _were(unexplained.people)
        yield f"{were} overtaken without a recorded reason"
    if report.counts.passed_over:
        passed = report.counts.passed_over
        yield f"{passed:,} {'number was' if passed == 1 else 'numbers were'} skipped without a call"
    for draw in report.draws:
        if draw.flaws:
            yield f"the draw of {draw.line} was not made as announced"


def _order(report: FairnessReport) -> str:
    total = report.overtaken.total
    nobody = "Nobody was overtaken" if report.over else "So far, nobody was overtaken"
    if not total.people:
        if report.called == 1:
            return f"{nobody}: the one person called was the first in line."
        return f"{nobody}: all {report.called:,} people were called in the order of the line."
    causes = [
        f"{overtaken.people:,} {CAUSES[cause]}"
        for cause, overtaken in report.overtaken.causes.items()
        if overtaken.people
    ]
    return (
        f"{nobody} without a recorded reason. "
        f"{_were(total.people)} overtaken with one: {_listed(causes)}. "
        f"The person overtaken most often was passed {_times(total.worst)}."
    )


def _draws(report: FairnessReport) -> Iterator[str]:
    made = [draw for draw in report.draws if draw.kept]
    if made:
        entries = sum(draw.count or 0 for draw in made)
        yield (
            f"The order of the {entries:,} people who came before the opening was drawn as "
            "announced: the revealed seed is the one that was committed to."
        )


def _found(report: FairnessReport) -> str:
    count, share = report.counts.found_nothing, report.found_nothing_share
    if not count or share is None:
        return "Nobody who was called came to find everything gone."
    told = f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
    people = "1 person" if count == 1 else f"{count:,} people"
    return f"{people} of the {report.counts.called:,} called ({told}) came and found nothing left."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _were(people: int) -> str:
    return "1 person was" if people == 1 else f"{people:,} people were"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
