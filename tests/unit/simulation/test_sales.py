"""Sales in virtual time: whatever fails, all promises are kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.plans import Plan
from simulation.run import broken_in, replay_command
from simulation.sale import play
from support import size

ROOT = Path(__file__).parents[3]
SALES = size("SALES", 60)
PIECES = 4
# Two requests of a shopper, and two acts at the gateway.
SOON_S = 10.0


@pytest.mark.parametrize("piece", range(PIECES))
def test_every_sale_keeps_its_promises(piece: int) -> None:
    seeds = range(1 + piece, 1 + SALES, PIECES)

    broken = broken_in(seeds)

    assert {replay_command(seed): why for seed, why in broken} == {}


def test_an_order_whose_rows_were_locked_for_a_while_is_driven_on_soon_after() -> None:
    plan = Plan(kind="locked", rooms={"drop": {}}, stock={"drop": {"mug": 1}})
    plan.answers_s = (2.0, 2.0)
    plan.shoppers = [{"room": "drop", "arrives_s": 1.0, "network": "", "basket": [("mug", 1)]}]
    # Payment has begun, and the gateway answers while the rows are locked.
    plan.troubles = [(5.0, "lock", (0, 6.0))]

    sale = play(1, plan=plan)

    assert [shopper.told for shopper in sale.shoppers] == ["paid"]
    assert sale.lasted_s < 5.0 + 6.0 + SOON_S


def test_a_seed_plays_the_same_sale_in_every_process() -> None:
    script = "from simulation.sale import play; print(play(6).mark)"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": "9"}

    elsewhere = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )

    assert int(elsewhere.stdout) == play(6).mark
