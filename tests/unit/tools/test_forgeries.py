"""No forged token is taken, and the forger would notice one that is."""

import random
import sys
from dataclasses import replace
from pathlib import Path
from string import ascii_letters, digits

sys.path.append(str(Path(__file__).parents[3] / "tools"))
from forgeries import KEYS, forge, kinds, try_forgeries

from inventory.kit.signing import Seal
from waitroom.line.ticket import PURPOSE

COUNT = 9000


def test_no_forgery_is_accepted_and_no_verifier_falls_over_one() -> None:
    among = kinds()

    tally = try_forgeries(count=COUNT, seed=20_261_130, among=among)

    assert all(kind.accepts(text) for kind in among for text in kind.genuine)
    assert min(tally.tried[kind.name] for kind in among) == COUNT // len(among)
    assert tally.tried.total() == COUNT
    assert tally.accepted == []
    assert tally.broken == []


def test_a_verifier_that_is_wrong_in_one_way_is_noticed() -> None:
    ticket, *_ = kinds()
    seal = Seal(KEYS, PURPOSE)

    def spaces(text: str) -> bool:
        return seal.open(text.strip()) is not None

    def spare_bits(text: str) -> bool:
        return any(ticket.accepts(text[:-1] + sign) for sign in ascii_letters + digits)

    def no_text(text: str) -> bool:
        return bool(text.encode()) and ticket.accepts(text)

    for accepts in (spaces, spare_bits, lambda text: "~" in text):
        wrong = replace(ticket, accepts=accepts)
        assert try_forgeries(count=500, seed=1, among=[wrong]).accepted
    assert try_forgeries(count=2000, seed=1, among=[replace(ticket, accepts=no_text)]).broken
    # The same seed makes the same forgeries.
    once, again = ([forge(random.Random(7), ticket.genuine, ()) for _ in range(3)] for _ in "ab")
    assert once == again
