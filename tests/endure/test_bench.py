"""The benchmark runs and says what it promises to say; how fast, it says for itself.

The longer parts are left to whoever measures: they are made of the same pieces.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

RUN = Path(__file__).parents[2] / "tools" / "bench" / "run.py"
SMALL = ("--rounds", "1", "--slice-s", "0.5", "--long-line", "20000", "--open-holds", "2000",
         "--storm-holds", "1000")  # fmt: skip
RATIOS = {
    "requests": {
        "state_vs_bare",
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
    "workers": {f"web_{web}_vs_1_at_{clients}" for web in (2, 3, 4) for clients in (64, 256)},
    "storm": {"storm_same_sku_vs_before", "storm_other_sku_vs_before"},
    "draw": {"verify_long_vs_short_each", "draw_many_vs_few_each"},
    "baskets": {f"basket_of_{size}_vs_single_at_{n}" for size in (3, 12) for n in (64, 256)},
}


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *options],
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
    parts = ("open-holds", "baskets", "storm", "draw")

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


def test_a_part_that_is_not_there_is_refused() -> None:
    done = run("--only", "holds,nothing")

    assert done.returncode == 2
    assert "there is no nothing" in done.stderr
