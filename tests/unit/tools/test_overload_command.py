"""The overload tools find their parts, some of which have the names of other tools."""

import subprocess
import sys

import pytest
from sources import ROOT


@pytest.mark.parametrize("tool", ["run.py", "front_alone.py"])
def test_the_overload_tools_find_their_parts(tool: str) -> None:
    asked = [sys.executable, str(ROOT / "tools" / "overload" / tool), "--help"]

    done = subprocess.run(asked, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
