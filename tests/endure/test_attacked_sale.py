"""A whole small sale beside five attackers, by the tool that measures large ones.

Attackers with few tickets could once keep a tenth of the units from everybody by holding them in
turn. How long the sale takes the tool tells; here it has to sell out at all, to honest shoppers of
whom none is taken for an attacker.
"""

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "attackers.py"
SMALL = ("--shoppers", "90", "--units", "54", "--seats", "40", "--arrive-s", "10", "--places", "10",
         "--strength", "0.5", "--limit-s", "300")  # fmt: skip
OF_HONEST = re.compile(r"refusals of honest shoppers(.*)")
SOLD = re.compile(r"units sold +(\d+) +(\d+)\n")
NETWORK_REFUSALS = ("network_full", "limit_reached", "extension_refused", "too_many_requests")


def test_a_sale_beside_five_attackers_sells_out_and_hinders_nobody_else() -> None:
    told = subprocess.run(
        [sys.executable, TOOL, *SMALL], capture_output=True, text=True, timeout=1200, check=False
    ).stdout

    sold, of_honest = SOLD.search(told), OF_HONEST.search(told)
    assert sold is not None, told
    assert of_honest is not None, told
    assert sold.groups() == ("54", "54"), told
    assert not any(code in of_honest[1] for code in NETWORK_REFUSALS), told
