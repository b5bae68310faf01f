"""Bursts of security events: what strangers cause without end becomes few rows."""

from waitroom.admin.accounts.events import KINDS, NETWORKS_MAX, SINGLE_MAX, WINDOW_S, Bursts
from waitroom.admin.audit.security_words import ATTEMPTS, PREDICATES, SUBJECTS


def test_few_attempts_are_written_singly_and_a_million_become_one_event_a_minute() -> None:
    bursts = Bursts()

    single = sum(
        bursts.is_single("key_refused", "192.0.2.1", now=number / 100_000)
        for number in range(1_000_000)
    )
    early = bursts.take(WINDOW_S - 1)
    (burst,) = bursts.take(WINDOW_S)

    assert (single, early) == (SINGLE_MAX, [])
    assert (burst.count, burst.network) == (1_000_000 - SINGLE_MAX, "192.0.2.1")
    assert bursts.is_single("key_refused", "192.0.2.1", now=WINDOW_S)


def test_attempts_from_more_networks_than_are_counted_become_one_event_of_many_networks() -> None:
    bursts = Bursts()

    single = sum(
        bursts.is_single("sign_in_failed", f"2001:db8:{n:x}::/64", name=f"n{n}", now=0.0)
        for n in range(10 * NETWORKS_MAX)
    )
    found = bursts.take(WINDOW_S)

    assert single == NETWORKS_MAX
    assert [(one.network, one.count) for one in found] == [("", 9 * NETWORKS_MAX)]
    assert len(found[0].names) <= NETWORKS_MAX


def test_a_network_that_tries_little_leaves_no_second_event_and_kinds_are_counted_apart() -> None:
    bursts = Bursts()

    assert bursts.is_single("sign_in_failed", "192.0.2.1", now=0.0)
    for _ in range(SINGLE_MAX + 2):
        bursts.is_single("key_refused", "192.0.2.1", now=0.0)

    assert [(one.kind, one.count) for one in bursts.take(0.0, all_of_them=True)] == [
        ("key_refused", 2)
    ]


def test_every_kind_of_event_has_a_sentence_and_a_subject_by_which_it_is_found() -> None:
    assert {*PREDICATES, *ATTEMPTS} == set(KINDS)
    assert {kind for _, kinds in SUBJECTS.values() for kind in kinds} == set(KINDS)
