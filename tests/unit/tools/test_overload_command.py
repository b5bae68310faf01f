"""The overload tool finds its parts, some of which have the names of other tools."""

import subprocess
import sys

from sources import ROOT


def test_the_overload_tool_finds_its_parts() -> None:
    asked = [sys.executable, str(ROOT / "tools" / "overload" / "run.py"), "--help"]

    done = subprocess.run(asked, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
