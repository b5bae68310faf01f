"""The figures of many sales together, and sales that are read again."""

from pathlib import Path

import oracle
import pytest
from rehearsing import scenario

from waitroom.rehearse.results.compare import play
from waitroom.rehearse.results.score import Score
from waitroom.rehearse.scenario.variant import parse_variant


def told(chance: float, *, of: int, found: int) -> Score:
    """Return the score of a sale in which so many were told a chance, and some found something."""
    score = Score()
    for one in range(of):
        score.count_chance(chance, found=one < found)
    return score


def test_chances_are_held_against_what_came_in_all_sales_together() -> None:
    lucky, unlucky = told(0.5, of=2, found=2), told(0.5, of=2, found=0)

    assert lucky.miscalibration == unlucky.miscalibration == 0.5
    assert oracle.off_by([lucky, unlucky]).mean == 0.0
    assert oracle.off_by([lucky, lucky]).mean == 0.5


def test_sales_that_differ_leave_open_how_far_chances_are_off() -> None:
    alike = [told(0.9, of=2, found=1) for _ in range(4)]
    unlike = [told(0.9, of=2, found=2), told(0.9, of=2, found=0)] * 2

    same, other = oracle.off_by(alike), oracle.off_by(unlike)

    assert same.mean == other.mean == pytest.approx(0.4)
    assert same.half == pytest.approx(0.0)
    # Two of four sales are lucky: the share of sales has a standard error of 0.29, and t is 3.18.
    assert other.half == pytest.approx(3.182 * (0.25 / 3) ** 0.5)


def test_a_sale_is_played_once_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle, "SALES", tmp_path)
    variant = parse_variant("expected", scenario("small", until_s="60"))

    first = oracle.played(variant, "small", 1, resume=False)
    monkeypatch.setattr(oracle, "play", None)
    again = oracle.played(variant, "small", 1, resume=True)

    assert again == first
    assert again == play(variant, 1)
