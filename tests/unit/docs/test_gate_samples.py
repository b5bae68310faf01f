"""The page on protecting a site shows the samples that `config/gate/` has and the tests start."""

import re

from sources import ROOT

PAGE = ROOT / "docs" / "protect-a-site.md"
SAMPLES = ROOT / "config" / "gate"


def test_the_page_shows_each_sample_as_it_is() -> None:
    blocks = re.findall(r"```\w+\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    samples = {path.name: path.read_text("utf-8") for path in SAMPLES.iterdir()}

    shown = {name for name, text in samples.items() if text in blocks}

    assert len(samples) == len(blocks) + 1
    # The script for HAProxy is copied, and not read.
    assert samples.keys() - shown == {"haproxy.lua"}
