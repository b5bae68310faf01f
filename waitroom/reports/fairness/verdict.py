"""The report in a few plain sentences. Pure."""

from collections.abc import Iterator

from waitroom.reports.fairness.overtaking import Cause
from waitroom.reports.fairness.report import Report

CAUSES = {
    Cause.LANE: "by a lane that the operators had opened",
    Cause.OPERATOR: "because operators began the line anew",
    Cause.CALLED_AT_ONCE: "by arrivals that were called as they joined",
    Cause.CAME_BACK: "after missing a call and coming back",
    Cause.STEPPED_ASIDE: "after stepping aside of their own accord",
    Cause.UNEXPLAINED: "without a reason on record",
}


def verdict(report: Report) -> str:
    """Say what the report comes to; what is wrong is said first."""
    faults = list(_faults(report))
    if faults:
        line = "This line" if report.over else "So far, this line"
        return f"{line} was not fair by its own rules: {_listed(faults)}."
    if not report.called:
        return "Nobody has been called yet, so there is nothing to judge."
    return " ".join([_order(report), *_draws(report), _found(report)])


def _faults(report: Report) -> Iterator[str]:
    unexplained = report.overtaken.causes[Cause.UNEXPLAINED]
    if unexplained.people:
        were = _were(unexplained.people)
        yield f"{were} overtaken without a reason on record"
    if report.counts.passed_over:
        passed = report.counts.passed_over
        yield f"{passed:,} {'number was' if passed == 1 else 'numbers were'} passed without a call"
    for draw in report.draws:
        if draw.flaws:
            yield f"the draw of {draw.line} was not made as it was announced"


def _order(report: Report) -> str:
    total = report.overtaken.total
    nobody = "Nobody was overtaken" if report.over else "So far, nobody was overtaken"
    if not total.people:
        if report.called == 1:
            return f"{nobody}: the one person called was the first in line."
        return f"{nobody}: all {report.called:,} who were called came in the order of the line."
    causes = [
        f"{overtaken.people:,} {CAUSES[cause]}"
        for cause, overtaken in report.overtaken.causes.items()
        if overtaken.people
    ]
    return (
        f"{nobody} without a reason on record. "
        f"{_were(total.people)} overtaken with one: {_listed(causes)}. "
        f"The most that went before one person is {total.worst:,}."
    )


def _draws(report: Report) -> Iterator[str]:
    made = [draw for draw in report.draws if draw.kept]
    if made:
        entries = sum(draw.count or 0 for draw in made)
        yield (
            f"The order of {entries:,} who came before the opening was drawn as announced: "
            "the seed that was revealed is the one committed to."
        )


def _found(report: Report) -> str:
    count, share = report.counts.found_nothing, report.found_nothing_share
    if not count or share is None:
        return "Nobody who was called came to find that nothing was left."
    told = f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
    who = "1 person" if count == 1 else f"{count:,} people"
    return f"{who} of the {report.counts.called:,} called ({told}) came and found nothing left."


def _were(people: int) -> str:
    return "1 person was" if people == 1 else f"{people:,} people were"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
