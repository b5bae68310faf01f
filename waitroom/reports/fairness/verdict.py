"""The fairness report in a few plain sentences, in a reader's language. Pure."""

from collections.abc import Iterator

from inventory.kit.language.catalogues import english
from inventory.kit.language.language import Language, phrase
from waitroom.reports.fairness.fairness_report import FairnessReport
from waitroom.reports.fairness.overtaking import Cause

CAUSES = {
    Cause.LANE: phrase("by a lane that the operators had opened"),
    Cause.OPERATOR: phrase("because operators replaced the line by a new one"),
    Cause.CALLED_AT_ONCE: phrase("by arrivals that were called as they joined"),
    Cause.CAME_BACK: phrase("after missing a call and coming back"),
    Cause.STEPPED_ASIDE: phrase("after choosing to step aside"),
    Cause.NOT_FREE: phrase("while what they came for was not free"),
    Cause.UNEXPLAINED: phrase("without a recorded reason"),
}


def verdict(report: FairnessReport, language: Language | None = None) -> str:
    """Return the report's conclusion, in English or another language; faults come first."""
    language = language or english()
    faults = list(_faults(report, language))
    if faults:
        told = (
            language.say("This line was not fair by its own rules.")
            if report.over
            else language.say("So far, this line was not fair by its own rules.")
        )
        return " ".join([told, *faults])
    if not report.called:
        return language.say("No one has been called yet, so there is nothing to judge.")
    return " ".join(
        [*_order(report, language), *_draws(report, language), _found(report, language)]
    )


def _faults(report: FairnessReport, language: Language) -> Iterator[str]:
    unexplained = report.overtaken.causes[Cause.UNEXPLAINED]
    if unexplained.people:
        yield language.say_n(
            unexplained.people,
            "{n} person was overtaken without a recorded reason.",
            "{n} people were overtaken without a recorded reason.",
        )
    if report.counts.passed_over:
        yield language.say_n(
            report.counts.passed_over,
            "{n} number was skipped without a call.",
            "{n} numbers were skipped without a call.",
        )
    for draw in report.draws:
        if draw.flaws:
            yield language.say("The draw of {line} was not made as announced.", line=draw.line)


def _order(report: FairnessReport, language: Language) -> Iterator[str]:
    total = report.overtaken.total
    if not total.people:
        yield _nobody_overtaken(report.called, language, over=report.over)
        return
    yield (
        language.say("No one was overtaken without a recorded reason.")
        if report.over
        else language.say("So far, no one was overtaken without a recorded reason.")
    )
    causes = [
        f"{language.number(overtaken.people)} {language.say(CAUSES[cause])}"
        for cause, overtaken in report.overtaken.causes.items()
        if overtaken.people
    ]
    yield language.say_n(
        total.people,
        "{n} person was overtaken for a recorded reason: {causes}.",
        "{n} people were overtaken for a recorded reason: {causes}.",
        causes="; ".join(causes),
    )
    yield language.say_n(
        total.worst,
        "The person overtaken most often was passed {n} time.",
        "The person overtaken most often was passed {n} times.",
    )


def _nobody_overtaken(called: int, language: Language, *, over: bool) -> str:
    if over:
        return language.say_n(
            called,
            "No one was overtaken: the {n} person called was the first in line.",
            "No one was overtaken: all {n} people were called in the order of the line.",
        )
    return language.say_n(
        called,
        "So far, no one was overtaken: the {n} person called was the first in line.",
        "So far, no one was overtaken: all {n} people were called in the order of the line.",
    )


def _draws(report: FairnessReport, language: Language) -> Iterator[str]:
    made = [draw for draw in report.draws if draw.kept]
    if made:
        yield language.say_n(
            sum(draw.count or 0 for draw in made),
            "The order of the {n} person who came before the opening was drawn as announced: the "
            "revealed seed is the one that was committed to.",
            "The order of the {n} people who came before the opening was drawn as announced: the "
            "revealed seed is the one that was committed to.",
        )


def _found(report: FairnessReport, language: Language) -> str:
    count, share = report.counts.found_nothing, report.found_nothing_share
    if not count or share is None:
        return language.say("No one who was called came to find everything gone.")
    return language.say_n(
        count,
        "{n} person of the {called} called ({share}) came and found nothing left.",
        "{n} people of the {called} called ({share}) came and found nothing left.",
        called=report.counts.called,
        share=language.percent(share),
    )
