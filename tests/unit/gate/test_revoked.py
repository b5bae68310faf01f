"""A site that asks for what is new knows every session that was revoked, and is told few twice."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waitroom.gate import revoked
from waitroom.gate.revoked import Revocation, RevokedList, RevokedPage

A_DAY = 86_400.0


def entry(number: int, written: int, *, until: float = A_DAY) -> Revocation:
    return Revocation(
        public_id=f"id-{number}", written=written, ended_at=float(number), until=until
    )


class Site:
    """Follows a list, as a connector does."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.version: int | None = None
        self.told = 0

    def ask(self, of: RevokedList) -> RevokedPage:
        page = of.page("drop", self.version)
        if page.reset:
            self.known.clear()
        self.known.update(page.revoked)
        self.told += len(page.revoked)
        self.version = page.version
        return page


Act = tuple[str, int]
ACTS = st.tuples(st.sampled_from(["begin", "commit", "read", "ask"]), st.integers(0, 5))
OVERTAKEN = [("begin", 0), ("begin", 0), ("commit", 1), ("read", 0), ("ask", 0), ("commit", 0)]


@given(st.lists(ACTS, max_size=60))
@example(OVERTAKEN)
def test_no_order_of_commits_hides_a_revoked_session_from_a_site_of_two_workers(
    acts: list[Act],
) -> None:
    """Transactions begin in one order and commit in another; two workers read now and then."""
    workers, site = [RevokedList(), RevokedList()], Site()
    running: dict[int, list[Revocation]] = {}
    committed: list[Revocation] = []
    begun = 100
    for step, (act, which) in enumerate([*acts, ("read", 0), ("read", 1), ("ask", 0)]):
        worker = workers[which % 2]
        if act == "begin":
            begun += 1
            running[begun] = [entry(step, begun)]
        elif act == "commit" and running:
            committed.extend(running.pop(sorted(running)[which % len(running)]))
        elif act == "read":
            read(worker, committed, min([*running, begun + 1]))
        elif act == "ask":
            site.ask(worker)

    assert site.known == {one.public_id for one in committed}


def read(worker: RevokedList, committed: list[Revocation], horizon: int) -> None:
    found = [one for one in committed if one.written >= worker.horizon]
    worker.take({"drop": found} if found else {}, horizon=horizon, now=0.0)


def test_a_site_is_told_once_in_pages_that_end_with_a_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revoked, "PAGE_MAX", 10)
    worker, site = RevokedList(), Site()
    entries = [entry(number, 100 + number // 4) for number in range(35)]
    worker.take({"drop": entries}, horizon=200, now=0.0)

    pages = [site.ask(worker)]
    while pages[-1].more:
        pages.append(site.ask(worker))

    assert [len(page.revoked) for page in pages] == [12, 12, 11]
    assert [page.reset for page in pages] == [True, False, False]
    assert site.ask(worker).revoked == []
    assert (site.told, len(site.known)) == (35, 35)


def test_what_is_over_is_forgotten_and_a_restored_database_begins_again() -> None:
    worker, site = RevokedList(), Site()
    worker.take({"drop": [entry(1, 100, until=50.0), entry(2, 101)]}, horizon=102, now=0.0)
    site.ask(worker)

    worker.take({}, horizon=103, now=60.0)

    assert worker.page("drop", None).revoked == ["id-2"]
    assert worker.page("other", None).revoked == []
    assert worker.page("drop", 10**9).reset


def test_a_list_beyond_its_bound_becomes_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revoked, "REVOKED_MAX", 10)
    worker = RevokedList()
    entries = [entry(number, 100 + number) for number in range(30)]

    worker.take({"drop": entries[:15], "next": entries[15:]}, horizon=200, now=0.0)

    assert worker.page("drop", None).revoked == []
    page = worker.page("next", None)
    assert page.revoked == [f"id-{number}" for number in range(20, 30)]
    # Every pass of a session that fell out was minted before.
    assert page.issued_before == 21
    assert worker.page("next", None) == replace(page)
