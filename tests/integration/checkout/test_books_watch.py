"""The metric of the books: what a count finds, without anybody asking."""

from typing import NoReturn

from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support import execute, open_room

from checkout.driving.books_watch import BooksWatch
from inventory.kit.problem import AuditTooLong
from waitroom.run.app import Service


def breaches(books: str) -> float | None:
    return REGISTRY.get_sample_value("waitroom_books_breaches", {"books": books})


async def test_a_count_tells_of_books_that_disagree_and_again_when_they_agree(
    service: Service,
) -> None:
    await open_room(service)
    watch = BooksWatch({"stock": service.ledger.breaches, "orders": service.orders.breaches})

    await watch.count()
    well = breaches("stock"), breaches("orders")
    # Nothing but a mistake of ours, or a hand in the tables, does that.
    await execute(service, "UPDATE stock SET on_hand = on_hand + 1")
    with capture_logs() as told:
        await watch.count()
    wrong, beside = breaches("stock"), breaches("orders")
    await execute(service, "UPDATE stock SET on_hand = on_hand - 1")
    await watch.count()

    assert well == (0, 0)
    assert wrong
    assert beside == 0
    assert [(line["event"], line["books"]) for line in told] == [("books_disagree", "stock")]
    assert breaches("stock") == 0


async def test_books_that_take_too_long_leave_the_last_count_and_fail_no_loop() -> None:
    async def too_long() -> NoReturn:
        raise AuditTooLong

    with capture_logs() as told:
        await BooksWatch({"elsewhere": too_long}).count()

    assert breaches("elsewhere") is None
    assert [line["event"] for line in told] == ["books_not_counted"]
