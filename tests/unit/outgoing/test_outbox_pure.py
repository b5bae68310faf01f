"""Webhooks, the pure parts: bodies, signatures, and what an answer means."""

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from inventory.kit.database import ACQUIRE_TIMEOUT_S, COMMAND_TIMEOUT_S
from inventory.kit.signing import Root
from waitroom.outgoing.outbox.attempt import (
    ATTEMPTS_MAX,
    LEASE,
    QUIET_S,
    RETRY,
    RETRY_AFTER_MAX_S,
    SCHEDULE_S,
    Answer,
    DeliveryOutcome,
    judge,
)
from waitroom.outgoing.outbox.event import KINDS, TEST, encode_event, event_name
from waitroom.outgoing.outbox.signature import EndpointSecrets, sign
from waitroom.outgoing.outbox.webhook_client import REQUEST_S
from waitroom.outgoing.outcome import Fate
from waitroom.store.migrate import load_migrations

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEYS = [b"\x01" * 32, b"\x02" * 32]


def judged(
    status: int | None, *, attempts: int = 1, retry_after: str | None = None
) -> DeliveryOutcome:
    answer = Answer(status=status, text="", retry_after=retry_after)
    return judge(answer, attempts=attempts, chance=0.5, now=NOW)


# Bodies.


def test_a_body_is_type_timestamp_and_data() -> None:
    berlin = timezone(timedelta(hours=1))

    body = encode_event("order.paid", NOW.astimezone(berlin), '{"total_minor": 2400}')

    assert msgspec.json.decode(body) == {
        "type": "order.paid",
        "timestamp": "2026-11-22T12:00:00.000000Z",
        "data": {"total_minor": 2400},
    }


def test_kinds_are_written_as_the_specification_advises() -> None:
    for kind in KINDS:
        first, _, second = kind.partition(".")
        assert first.isalpha(), kind
        assert second.replace("_", "").isalpha(), kind


def test_an_events_name_holds_no_full_stop() -> None:
    assert event_name("69ebbedb-8db0-4b3b-8b7a-d9d4aaa72852") == (
        "evt_69ebbedb8db04b3b8b7ad9d4aaa72852"
    )


# Signatures.


def test_each_of_the_signatures_verifies_by_the_library() -> None:
    book = EndpointSecrets(KEYS)
    secrets = [str(book.secret(book.root(salt))) for salt in (b"a" * 32, b"b" * 32)]
    now = datetime.now(tz=UTC)

    headers = sign(name="evt_1", at=now, body='{"a":"ü"}', secrets=secrets)

    for secret in secrets:
        assert Webhook(secret).verify('{"a":"ü"}'.encode(), headers) == {"a": "ü"}
    stranger = str(book.secret(book.root(b"c" * 32)))
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify('{"a":"ü"}', headers)


def test_a_new_signing_key_changes_no_secret_that_was_given_out() -> None:
    old = EndpointSecrets(KEYS[:1])
    root = old.root(b"salt" * 8)

    assert EndpointSecrets(KEYS).secret(root) == old.secret(root)
    assert EndpointSecrets(KEYS).root(b"salt" * 8).key_id != root.key_id


def test_without_its_key_a_secret_cannot_be_derived() -> None:
    root = EndpointSecrets(KEYS[:1]).root(b"salt" * 8)

    assert EndpointSecrets(KEYS[1:]).secret(root) is None
    assert not EndpointSecrets(KEYS[1:]).knows(root.key_id)


def test_a_secret_is_as_long_as_the_specification_wants_and_its_own_for_each_salt() -> None:
    book = EndpointSecrets(KEYS)
    first, second = (str(book.secret(book.root(salt))) for salt in (b"a" * 32, b"b" * 32))

    assert first.startswith("whsec_")
    assert 24 <= len(b64decode(first.removeprefix("whsec_"))) <= 64
    assert first != second


def test_nothing_that_is_printed_shows_a_salt() -> None:
    assert "salt" not in repr(Root(salt=b"salt", key_id=b"id"))


# Answers.


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(status: int) -> None:
    assert judged(status).fate is Fate.SENT


@pytest.mark.parametrize("status", [None, 100, 301, 307, 400, 401, 404, 500, 502, 503, 504, 600])
def test_everything_else_is_tried_again(status: int | None) -> None:
    outcome = judged(status)

    assert (outcome.fate, outcome.gone) == (Fate.AGAIN, False)
    assert outcome.again_s >= SCHEDULE_S[0]


def test_gone_ends_the_endpoint_and_keeps_the_delivery() -> None:
    outcome = judged(410, attempts=ATTEMPTS_MAX)

    assert (outcome.fate, outcome.gone) == (Fate.AGAIN, True)


def test_waits_grow_and_are_bounded_and_the_last_attempt_is_the_last() -> None:
    waits = [judged(500, attempts=n).again_s for n in range(1, ATTEMPTS_MAX)]

    assert all(a < b for a, b in pairwise(waits))
    assert waits[-1] <= SCHEDULE_S[-1] * (1 + RETRY.jitter)
    assert judged(500, attempts=ATTEMPTS_MAX).fate is Fate.GIVEN_UP
    # A sender that was killed in its last attempt leaves one more to be made.
    assert judged(500, attempts=ATTEMPTS_MAX + 1).fate is Fate.GIVEN_UP


def test_the_schedule_spans_days() -> None:
    assert timedelta(seconds=sum(SCHEDULE_S)) == timedelta(hours=75, minutes=35, seconds=5)


@given(st.floats(0, 1), st.integers(1, ATTEMPTS_MAX - 1))
def test_chance_only_lengthens_a_wait(chance: float, attempts: int) -> None:
    outcome = judge(Answer(status=500, text=""), attempts=attempts, chance=chance, now=NOW)

    wait_s = SCHEDULE_S[attempts - 1]
    assert wait_s <= outcome.again_s <= wait_s * (1 + RETRY.jitter)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_receiver_is_left_alone(status: int) -> None:
    assert judged(status).quiet_s == QUIET_S
    assert judged(status, retry_after="90").quiet_s == 90
    assert judged(status, retry_after="90").again_s == 90
    # The schedule's own wait stands when it is the longer one.
    assert judged(status, retry_after="90", attempts=4).again_s > SCHEDULE_S[3]


def test_a_retry_after_of_another_answer_means_nothing() -> None:
    assert judged(500, retry_after="90").quiet_s == 0


@pytest.mark.parametrize("header", ["soon", "", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"])
def test_an_unreadable_retry_after_counts_as_an_absent_one(header: str) -> None:
    assert judged(503, retry_after=header) == judged(503)


def test_a_retry_after_is_honoured_up_to_a_bound() -> None:
    assert judged(503, retry_after="99999999999999999999").quiet_s == RETRY_AFTER_MAX_S


def test_a_request_ends_before_its_lease_cuts_it_off() -> None:
    assert LEASE.attempt_s > REQUEST_S


def test_an_outcome_can_be_noted_while_the_lease_lasts() -> None:
    assert LEASE.margin_s > ACQUIRE_TIMEOUT_S + COMMAND_TIMEOUT_S


# What is written elsewhere about kinds.

ROOT = Path(__file__).parents[3]


def test_the_tables_write_the_kinds_that_can_be_subscribed_to_and_no_others() -> None:
    sql = "".join(migration.sql for migration in load_migrations())
    written = set(re.findall(r"'((?:ticket|hold|order|stock|room)\.\w+)'", sql))
    # Ended holds are told of by the state that they ended in.
    written |= {f"hold.{state}" for state in ("released", "expired", "confirmed")}

    assert written == set(KINDS)


def test_every_kind_is_documented() -> None:
    text = (ROOT / "docs" / "integrate" / "webhooks.md").read_text()

    assert [kind for kind in (*KINDS, TEST) if f"`{kind}`" not in text] == []
