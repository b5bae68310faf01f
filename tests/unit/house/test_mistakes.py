"""The known mistakes of `make mutants` fit the code as it is."""

import subprocess

from sources import ROOT

MISTAKES = sorted((ROOT / "tools" / "mutants").glob("*.patch"))


def test_every_known_mistake_can_still_be_planted() -> None:
    refused = {}
    for patch in MISTAKES:
        done = subprocess.run(
            ["git", "apply", "--check", str(patch)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            refused[patch.name] = done.stderr

    assert MISTAKES
    assert refused == {}
