"""The benchmark runs, writes every figure that it promises, and fails with its leader.

How fast the service is, a test cannot say. The longer parts are made of the same pieces and are
measured by hand.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).parents[2] / "tools" / "bench" / "run.py"
SMALL = ("--rounds", "1", "--slice-s", "0.5", "--long-line", "20000", "--open-holds", "2000",
         "--storm-holds", "1000", "--releases", "1000", "--inside", "1000",
         "--waiting", "20000")  # fmt: skip
RATIOS = {
    "requests": {
        "state_vs_bare",
        "check_vs_bare",
        "check_p99_vs_bare",
        "join_vs_bare",
        "claim_vs_bare",
        "hold_http_vs_bare",
        "hold_http_vs_for_update",
        "hold_inprocess_vs_for_update",
        "state_1m_vs_10k",
    },
    "holds": {
        f"{ours}_vs_{other}_at_{clients}"
        for ours in ("hold_http", "hold_inprocess")
        for other in ("for_update", "for_update_lean", "one_statement")
        for clients in (1, 8, 64, 256)
    },
    "open-holds": {"open_holds_vs_none_http", "open_holds_vs_none_inprocess"},
    "releases": {
        "hold_beside_releases_vs_none",
        "look_without_releases_vs_with",
        "own_hold_without_releases_vs_with",
    },
    "locked-room": {"hold_beside_locked_room_vs_quiet", "document_age_bound_vs_oldest"},
    "limits": {
        f"limits_{kind}{what}" for kind in ("state", "join", "claim") for what in ("", "_control")
    },
    "workers": {f"web_{web}_vs_1_at_{clients}" for web in (2, 3, 4) for clients in (64, 256)},
    "storm": {"storm_same_sku_vs_before", "storm_other_sku_vs_before"},
    "leader": {
        f"leader_tick_{what}_1000" for what in ("empty_vs", "bound_vs_median", "bound_vs_longest")
    },
    "waiting": {f"waiting_{kind}_many_vs_few" for kind in ("state", "join", "page")},
    "draw": {"verify_long_vs_short_each", "draw_many_vs_few_each"},
    "baskets": {f"basket_of_{size}_vs_single_at_{n}" for size in (3, 12) for n in (64, 256)},
}


# Breaks the database of the first stage as soon as its rooms are there.
SABOTAGE = """
import sys
sys.path.insert(0, sys.argv[1])
import sale, run

open_sale = sale.Sale.open

async def open_broken(*args, **options):
    opened = await open_sale(*args, **options)
    await opened.connection.execute(sys.argv[2])
    return opened

sale.Sale.open = open_broken
sys.exit(run.run(sys.argv[3:]))
"""
NO_DOCUMENT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
CREATE TRIGGER planted BEFORE UPDATE ON room_state FOR EACH ROW EXECUTE FUNCTION refuse()"""
NO_READING = "ALTER FUNCTION journeys_of RENAME TO journeys_elsewhere"


def run(*options: str, before: tuple[str, ...] = (str(RUN),)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *before, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def measured(out: Path, *options: str) -> dict[str, Any]:
    done = run(*SMALL, "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_what_is_named_together_is_measured_together(tmp_path: Path) -> None:
    parts = ("open-holds", "baskets", "storm", "draw", "releases", "locked-room")

    found = measured(tmp_path / "bench.json", "--only", ",".join((*parts, "join")))

    figures, storm, draw = (found["figures"], found["figures"]["storm"], found["figures"]["draw"])
    assert found["ratios"].keys() == {"join_vs_bare"}.union(*(RATIOS[part] for part in parts))
    assert all(ratio > 0 for ratio in found["ratios"].values()), found["ratios"]
    # Figures of commits that a power cut could undo would say nothing.
    assert figures["postgres"]["fsync"] == figures["postgres"]["synchronous_commit"] == "on"
    assert figures["growth"].keys() == {"database_bytes", "log_bytes", "valkey_bytes"}
    assert storm["breaches"] == 0
    assert storm["same_sku"][0]["largest_batch"] <= storm["holds"]
    assert draw["entries"] == 20_000
    assert draw["verify"]["ticks_of_10"]["log_entries"] > 2000


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (NO_DOCUMENT, "room of room hold (RaiseError('planted'))"),
        (NO_READING, "learn of room hold"),
    ],
)
def test_a_leader_that_fails_fails_the_benchmark(tmp_path: Path, planted: str, said: str) -> None:
    out = tmp_path / "bench.json"
    sabotage = ("-c", SABOTAGE, str(RUN.parent), planted)

    done = run(*SMALL, "--only", "holds", "--out", str(out), before=sabotage)

    verdict = done.stderr.splitlines()[-1]
    assert done.returncode == 1, done.stderr
    assert verdict.startswith("bench: holds: the leader failed: ")
    assert said in verdict
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_a_leader_keeps_time_with_a_crowd_inside(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "leader")

    leader = found["figures"]["leader"]
    assert found["ratios"].keys() == RATIOS["leader"]
    assert leader["inside"] == [1000]
    for room in ("inside-1000", "empty"):
        # A tick is due each second.
        assert leader[room]["tick_ms"]["median"] < 1000, leader
        assert leader[room]["tick_ms"]["median"] <= leader[room]["tick_longest_ms"]
        assert 0 < leader[room]["reading_ms"]["median"] < 1000, leader
        # The limit on one statement that reads.
        assert leader[room]["whole_reading_ms"]["high"] < 10_000, leader


def test_batches_are_counted_over_all_processes(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "hold_http,join,claim")

    kinds = found["figures"]["kinds"]
    sizes = {kind: kinds[kind]["batches"] for kind in ("join", "claim", "hold_http")}
    assert {kind: set(found) for kind, found in sizes.items()} == {
        "join": {"joins"},
        "claim": {"claims"},
        "hold_http": {"holds"},
    }
    # 256 connections over two processes: no more can wait for one batcher.
    assert all(1 < size <= 128 for found in sizes.values() for size in found.values()), sizes
    assert kinds["for_update"]["batches"] == {}
