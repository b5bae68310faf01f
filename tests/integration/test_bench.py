"""The benchmark runs and says what it promises to say; how fast, it says for itself."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[1] / "bench" / "run.py"
NAMES = {
    "state_vs_bare",
    "join_vs_bare",
    "claim_vs_bare",
    "hold_http_vs_bare",
    "hold_http_vs_for_update",
    "hold_inprocess_vs_for_update",
    "state_1m_vs_10k",
}


def test_bench_writes_every_ratio_as_a_positive_number(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    small = ["--rounds", "1", "--slice-s", "0.2", "--long-line", "20000", "--out", str(out)]

    done = subprocess.run(
        [sys.executable, str(RUN), *small], check=False, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["ratios"].keys() >= NAMES
    assert all(ratio > 0 for ratio in found["ratios"].values())
    assert found["figures"]["growth"].keys() == {"database_bytes", "log_bytes", "valkey_bytes"}
