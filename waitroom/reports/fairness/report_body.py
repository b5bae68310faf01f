"""The fairness report as JSON and page have it. Pure."""

from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec

from waitroom.reports.fairness.arrival import ArrivalTenth
from waitroom.reports.fairness.draws import DrawResult
from waitroom.reports.fairness.fairness_report import Act, CallCounts, FairnessReport
from waitroom.reports.fairness.forecast import ChanceAccuracy, WaitAccuracy
from waitroom.reports.fairness.overtaking import Cause, Overtaken
from waitroom.reports.fairness.verdict import verdict


class LogEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of the log that a report covers."""

    seq: int
    # SHA-256 in hex.
    hash: str


class People(msgspec.Struct, frozen=True, kw_only=True):
    """People with a number, called at least once, and waiting for their first call."""

    joined: int
    called: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OvertakenBy(Overtaken):
    """People overtaken for one cause."""

    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOvertaken(Overtaken):
    """All people overtaken, and the same by cause; a person may count under several causes."""

    causes: list[OvertakenBy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes(CallCounts):
    """The numbers that were called, by what happened to them."""

    # The share of the called numbers that came in and found nothing; null before the first call.
    found_nothing_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWaits(WaitAccuracy):
    """The accuracy of the published waits, with the share that came true."""

    inside_share: float | None


class JudgedForecasts(msgspec.Struct, frozen=True, kw_only=True):
    """The accuracy of what shoppers were told."""

    # Of a long log, one forecast in so many was judged.
    every: int
    waits: JudgedWaits
    chances: list[ChanceAccuracy]


class FairnessBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fairness of a sale, or of a sale so far if it is not `over`."""

    room: str
    as_of: datetime
    over: bool
    log: LogEnd
    # The waits of a long log are exact to so many seconds, 0 for any other.
    exact_to_s: float
    # The conclusion in sentences, faults first.
    verdict: str
    people: People
    overtaken: AllOvertaken
    waits: list[ArrivalTenth]
    outcomes: Outcomes
    acts: list[Act]
    forecast: JudgedForecasts
    draws: list[DrawResult]


def report_body(report: FairnessReport) -> FairnessBody:
    """Return the report as JSON and page have it."""
    waits = report.forecast.waits
    return FairnessBody(
        room=report.room,
        as_of=report.as_of,
        over=report.over,
        log=LogEnd(seq=report.log_seq, hash=report.log_hash),
        exact_to_s=report.exact_to_s,
        verdict=verdict(report),
        people=People(joined=report.joined, called=report.called, waiting=report.waiting),
        overtaken=AllOvertaken(
            **asdict(report.overtaken.total),
            causes=[
                OvertakenBy(cause=cause, **asdict(overtaken))
                for cause, overtaken in report.overtaken.causes.items()
            ],
        ),
        waits=report.waits,
        outcomes=Outcomes(**asdict(report.counts), found_nothing_share=report.found_nothing_share),
        acts=report.acts,
        forecast=JudgedForecasts(
            every=report.forecasts_every,
            waits=JudgedWaits(
                **asdict(waits), inside_share=waits.inside / waits.judged if waits.judged else None
            ),
            chances=report.forecast.chances,
        ),
        draws=report.draws,
    )
