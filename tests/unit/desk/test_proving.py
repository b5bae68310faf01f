"""Proofs: the work grows with the pressure and stays bounded, and each proof holds for one room."""

import base64
import json
import os
import time
from typing import Any

import pytest
from altcha import Challenge, Payload, solve_challenge

from waitroom.desk.proving.pressure import LEVEL_MAX, NETWORKS_FROM, PressedNetworks, level_of
from waitroom.desk.proving.spent import Spent
from waitroom.desk.proving.stamps import USED_WITHIN_S, WAIT_S, Stamps
from waitroom.desk.proving.work import COUNTERS, EXPIRES_S, Works
from waitroom.store.memory import Memory

KEY, NEWER = os.urandom(32), os.urandom(32)


def solved(challenge: dict[str, Any]) -> str:
    made = Challenge.from_dict(challenge)
    solution = solve_challenge(made)
    assert solution is not None
    return Payload(made, solution).to_base64()


def changed(proof: str, part: str, field: str, value: Any) -> str:
    """Return a proof in which one field says something else."""
    payload = json.loads(base64.b64decode(proof))
    known = payload["challenge"]["parameters"] if part == "challenge" else payload[part]
    known[field] = value
    return base64.b64encode(json.dumps(payload).encode()).decode()


def test_households_and_offices_do_no_work_and_no_network_does_more_than_the_bound() -> None:
    assert [level_of(lately) for lately in (0, 1, 8, 29)] == [0, 0, 0, 0]
    assert [level_of(30 << doubled) for doubled in range(8)] == [1, 2, 3, 4, 5, 5, 5, 5]
    # A slow phone derives some half a million rounds of a key in a second.
    assert COUNTERS << (LEVEL_MAX - 1) <= 3200


def test_a_room_is_under_pressure_while_many_of_its_networks_are() -> None:
    pressed = PressedNetworks()
    for at in range(NETWORKS_FROM - 1):
        pressed.note(f"192.0.2.{at}", float(at))
        pressed.note("192.0.2.0", float(at))
    few = pressed.until

    pressed.note("198.51.100.1", 30.0)

    assert few < 0
    assert 30.0 < pressed.until <= 30.0 + 60.0


def test_a_solved_challenge_is_worth_one_place_in_its_own_room() -> None:
    works = Works([KEY])
    proof = solved(works.challenge_body("drop", 1))

    opened = works.opened("drop", proof)

    assert opened is not None
    assert opened.level == 1
    assert works.opened("other", proof) is None
    assert Works([NEWER]).opened("drop", proof) is None
    # A key that no longer signs is still accepted.
    assert Works([KEY, NEWER]).opened("drop", proof) == opened


def test_a_challenge_that_is_over_is_worth_nothing() -> None:
    past = Works([KEY], clock=lambda: time.time() - EXPIRES_S - 2)
    proof = solved(past.challenge_body("drop", 1))

    assert Works([KEY]).opened("drop", proof) is None
    assert Works([KEY]).opened("drop", changed(proof, "challenge", "expiresAt", 2**40)) is None


def test_a_changed_proof_is_worth_nothing() -> None:
    works = Works([KEY])
    proof = solved(works.challenge_body("drop", 1))
    lies = [
        changed(proof, "challenge", "data", {"room": "drop", "level": LEVEL_MAX}),
        changed(proof, "challenge", "data", {"room": "other", "level": 1}),
        changed(proof, "challenge", "data", []),
        changed(proof, "challenge", "keyPrefix", ""),
        changed(proof, "challenge", "cost", 1),
        changed(proof, "challenge", "nonce", "00" * 16),
        changed(proof, "challenge", "algorithm", "SHA-256"),
        changed(proof, "challenge", "keySignature", None),
        changed(proof, "solution", "derivedKey", "00" * 32),
        changed(proof, "solution", "derivedKey", None),
        "",
        "%%%",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"{}").decode(),
        base64.b64encode(b"[" * 900).decode(),
        base64.b64encode(b'{"challenge": {"parameters": 1}, "solution": 2}').decode(),
        base64.b64encode(b'{"challenge": null, "solution": null}').decode(),
        "é" * 100,
        proof * 10,
    ]

    assert [lie for lie in lies if works.opened("drop", lie) is not None] == []


@pytest.mark.parametrize("level", [1, LEVEL_MAX])
def test_a_stamp_counts_after_its_wait_for_its_holder_in_its_room(level: int) -> None:
    stamps = Stamps([KEY])
    text = stamps.make("drop", "v:me", level, now=1000.0)
    wait_s = WAIT_S * level

    fresh = stamps.opened("drop", "v:me", text, now=1000.0)
    due = stamps.opened("drop", "v:me", text, now=1000.0 + wait_s)

    assert fresh is not None
    assert due is not None
    assert (fresh.wait_s, due.wait_s) == (wait_s, 0)
    late = 1001.0 + wait_s + USED_WITHIN_S
    assert stamps.opened("drop", "v:me", text, now=late) is None
    assert stamps.opened("drop", "v:another", text, now=2000.0) is None
    assert stamps.opened("other", "v:me", text, now=1000.0 + wait_s) is None
    assert Stamps([NEWER]).opened("drop", "v:me", text, now=1000.0 + wait_s) is None
    assert stamps.opened("drop", "v:me", text.replace(" ", "  "), now=1000.0) is None


async def test_a_process_alone_remembers_what_was_spent_and_forgets_within_bounds() -> None:
    now = 0.0
    memory = Memory("redis://127.0.0.1:1")
    spent = Spent(memory, kept_max=100, clock=lambda: now)

    assert await spent.spend("proof", "k:mine", ttl_s=180)
    # A lost answer is asked for again; another place is refused.
    assert await spent.spend("proof", "k:mine", ttl_s=180)
    assert not await spent.spend("proof", "k:another", ttl_s=180)
    assert await spent.spend("nameless", "", ttl_s=180)
    assert not await spent.spend("nameless", "", ttl_s=180)

    for at in range(105):
        await spent.spend(str(at), "", ttl_s=180)
    assert len(spent) == 100
    now = 181.0
    await spent.spend("last", "", ttl_s=180)
    assert len(spent) == 1
    await memory.close()
