"""The scripts that a crowd asks for are served in one text each."""

import re

from inventory.kit.bundle import bundle_of
from inventory.kit.pages import static_folder
from waitroom.run.routes import BUNDLED


def test_every_script_that_a_crowd_asks_for_can_be_bundled() -> None:
    for name in BUNDLED:
        bundle = bundle_of(static_folder() / "js" / name)

        assert len(bundle.parts) > 5
        assert (
            re.findall(r"^\s*(?:/\*|//|import\b(?!\()|export\b).*", bundle.text, re.MULTILINE) == []
        )
