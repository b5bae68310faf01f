"""A whole sale beside five attackers, by the tool that measures it (`make attackers`).

Attackers could once keep a tenth of the units from everybody by holding them in turn. How much
longer the sale takes the tool tells; here nearly all has to be sold, and no honest shopper may be
taken for an attacker.
"""

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "attackers.py"
SIZE = ("--shoppers", "300", "--units", "180", "--arrive-s", "30", "--places", "20",
        "--limit-s", "400")  # fmt: skip
OF_HONEST = re.compile(r"refusals of honest shoppers(.*)")
MOST_SOLD = re.compile(r"95 % of the units sold +([\d.]+) s +([\d.]+) s\n")
NETWORK_REFUSALS = ("network_full", "limit_reached", "extension_refused", "too_many_requests")


def test_a_sale_beside_five_attackers_sells_nearly_all_and_hinders_nobody_else() -> None:
    told = subprocess.run(
        [sys.executable, TOOL, *SIZE], capture_output=True, text=True, timeout=1500, check=False
    ).stdout

    of_honest = OF_HONEST.search(told)
    assert of_honest is not None, told
    assert MOST_SOLD.search(told) is not None, told
    assert not any(code in of_honest[1] for code in NETWORK_REFUSALS), told
