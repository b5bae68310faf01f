"""Sales in virtual time: whatever fails, all promises are kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.run import broken_in, replay_command
from simulation.sale import play
from support import size

ROOT = Path(__file__).parents[3]
SALES = size("SALES", 100)
PIECES = 4


@pytest.mark.parametrize("piece", range(PIECES))
def test_every_sale_keeps_its_promises(piece: int) -> None:
    seeds = range(1 + piece, 1 + SALES, PIECES)

    broken = broken_in(seeds)

    assert {replay_command(seed): why for seed, why in broken} == {}


def test_a_seed_plays_the_same_sale_in_every_process() -> None:
    script = "from simulation.sale import play; print(play(6).mark)"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": "9"}

    elsewhere = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )

    assert int(elsewhere.stdout) == play(6).mark
