"""The words that the SQL writes are those of the enums that Python reads them with."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from checkout.order import OrderState
from checkout.refund import RefundStage
from inventory.hold import HoldState, Verdict
from waitroom.line.admission import AdmissionState

MIGRATIONS = Path(__file__).parents[3] / "waitroom" / "store" / "migrations"
SQL = "\n".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql")))
STATES: dict[str, type[StrEnum]] = {
    "admission": AdmissionState,
    "hold": HoldState,
    "purchase": OrderState,
    "refund": RefundStage,
}
# The functions whose verdict is read as `Verdict`.
DECIDING = ("read_facts", "known_verdicts", "decide_holds", "judge_change", "change_hold")
WRITTEN = re.compile(r"(?:\bverdicts?(?:\[i\])? := |THEN |ELSE |RETURN )'([a-z_]+)'")


@pytest.mark.parametrize("table", STATES)
def test_the_states_that_a_table_allows_are_those_of_its_enum(table: str) -> None:
    (columns,) = re.findall(rf"CREATE TABLE {table} \((.*?)^\)", SQL, re.DOTALL | re.MULTILINE)
    allowed = re.search(
        r"^    state text.*?CHECK \(state IN\s+\((.*?)\)\)", columns, re.DOTALL | re.MULTILINE
    )

    assert allowed is not None
    assert set(re.findall(r"'([a-z]+)'", allowed[1])) == set(STATES[table])


def test_the_verdicts_on_holds_are_those_of_their_enum() -> None:
    written: set[str] = set()
    for name in (*DECIDING, "extend_hold"):
        # A later migration may have written the function anew. The first `decide_holds` decides
        # the units, under another name.
        bodies = re.findall(
            rf"^CREATE (?:OR REPLACE )?FUNCTION {name}\(.*?^(?:END )?\$\$;",
            SQL,
            re.DOTALL | re.MULTILINE,
        )
        written |= set(WRITTEN.findall(bodies[0 if name == "decide_holds" else -1]))

    assert "placed" in written
    assert written <= set(Verdict)
    assert {word for word in Verdict if f"'{word}'" not in SQL} == set()
