"""`tools/bench/run.py` as somebody types it; `make endure` lets it measure."""

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[3] / "tools" / "bench" / "run.py"


def test_a_part_that_is_not_there_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--only", "holds,nothing"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert "there is no nothing" in done.stderr
