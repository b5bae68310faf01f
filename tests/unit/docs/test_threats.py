"""The page on security answers each question of two lists, with a test or with its lack of one."""

import re
from pathlib import Path

SECURITY = Path(__file__).parents[3] / "docs" / "security.md"
ROW = re.compile(r"^\| (\d+|OAT-\d{3}) \| [^|]+ \| ([^|]+) \| ([^|]*) ?\|$", re.MULTILINE)
# No page has advertisements; the second list stands for the row on bots.
WITHOUT_TEST = {"OAT-003", "12"}


def test_every_threat_of_two_lists_is_answered_with_a_test() -> None:
    rows = {name: (stands, shown) for name, stands, shown in ROW.findall(SECURITY.read_text())}

    wanted = {str(n) for n in range(1, 19)} | {f"OAT-{n:03}" for n in range(1, 22)}
    assert rows.keys() == wanted
    untested = {name for name, (_, shown) in rows.items() if "`test_" not in shown}
    # What has no test says so.
    assert untested <= WITHOUT_TEST | {
        name for name, (said, _) in rows.items() if "In part" in said
    }
