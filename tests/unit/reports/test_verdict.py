"""The report counts people and acts, and its verdict names faults first."""

from typing import Any

from sale_log import HEAD, a_draw, at, called, drawn_with, joined

from waitroom.log.entries import AnyEntry, Invited, Revoked, Unknown
from waitroom.reports.fairness.fairness_report import (
    Act,
    CallCounts,
    FairnessReport,
    ReportDraft,
    RoomBooks,
)
from waitroom.reports.fairness.verdict import verdict


def books(**changes: Any) -> RoomBooks:
    values = {
        "room": "drop",
        "now": at(1000),
        "status": "open",
        "sold_out": False,
        "log_seq": 9,
        "log_hash": b"",
        "counts": CallCounts(called=5, claimed=5),
        **changes,
    }
    return RoomBooks(**values)


def a_report(*entries: AnyEntry, **changes: Any) -> FairnessReport:
    draft = ReportDraft()
    for entry in entries:
        draft.feed(entry, HEAD)
    return draft.finish(books(**changes))


def test_a_report_counts_people_and_acts() -> None:
    revoked = Revoked(seq=3, at=at(3), line="main-1", number=9)
    invited = Invited(seq=4, at=at(4), line="main-1", count=40, batch=1)
    again = Invited(seq=5, at=at(5), line="main-1", count=2, batch=2)

    found = a_report(joined(1, 1, 10), called(2, 1, 5), revoked, invited, again)

    assert (found.joined, found.called, found.waiting) == (10, 5, 4)
    assert found.acts == [
        Act(kind="invited", times=2, places=42),
        Act(kind="revoked", times=1, places=None),
    ]


def test_nothing_is_judged_before_anybody_was_called() -> None:
    assert verdict(a_report(joined(1, 1, 10), counts=CallCounts())) == (
        "No one has been called yet, so there is nothing to judge."
    )


def test_a_line_in_order_is_said_to_be_so() -> None:
    line = [joined(1, 1, 5), called(2, 1, 5)]

    assert verdict(a_report(*line)) == (
        "So far, no one was overtaken: all 5 people were called in the order of the line. "
        "No one who was called came to find everything gone."
    )
    assert verdict(a_report(*line, sold_out=True)).startswith("No one was overtaken: all 5")


def test_reasons_are_named_with_how_many_they_concern() -> None:
    members = [joined(2, 1, 3, line="members-1"), called(3, 1, 3, "members-1")]
    counts = CallCounts(called=3, claimed=3, found_nothing=1)

    found = a_report(joined(1, 1, 5), *members, status="ended", counts=counts)

    assert verdict(found) == (
        "No one was overtaken without a recorded reason. "
        "5 people were overtaken for a recorded reason: 5 by a lane that the operators had opened. "
        "The person overtaken most often was passed 3 times. "
        "1 person of the 3 called (33.3%) came and found nothing left."
    )


def test_what_is_wrong_is_said_first() -> None:
    entries = [*drawn_with(seed=(b"t" * 32).hex()), called(6, 3, 3), called(7, 1, 2)]

    found = a_report(*entries, counts=CallCounts(called=3, passed_over=1))

    assert verdict(found) == (
        "So far, this line was not fair by its own rules. 2 people were overtaken without a "
        "recorded reason. 1 number was skipped without a call. The draw of main-1 was not made as "
        "announced."
    )


def test_a_draw_that_was_kept_is_told_of() -> None:
    found = a_report(*a_draw(), called(6, 1, 5))

    assert (
        "The order of the 9 people who came before the opening was drawn as announced"
        in verdict(found)
    )


def test_an_entry_of_an_unknown_kind_changes_nothing() -> None:
    line = [joined(1, 1, 5), called(2, 1, 5)]

    found = a_report(*line, Unknown(seq=3, kind="new_kind", at=at(3)))

    assert found == a_report(*line)
