"""The defaults of a room's rules, as the docs list them and as the database has them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import asyncpg
from support import owner_url

SETTINGS = Path(__file__).parents[3] / "docs" / "settings.md"
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (?:`([^`]*)`)? \|", flags=re.MULTILINE)


def documented() -> dict[str, Any]:
    """Return each rule that has a default with its value; `null` is None."""
    part = SETTINGS.read_text(encoding="utf-8").split("## Rules of a room\n")[1].split("\n## ")[0]
    found: dict[str, Any] = {}
    for rules, text in ROW.findall(part):
        if text:
            value = None if text == "null" else tomllib.loads(f"it = {text}")["it"]
            found |= dict.fromkeys(re.findall(r"\w+", rules), value)
    return found


async def test_every_rule_has_the_default_that_the_docs_list(postgres_url: str) -> None:
    rules = documented()
    connection = await asyncpg.connect(owner_url(postgres_url))
    try:
        made = await connection.fetchrow(
            "INSERT INTO room (room, name, currency) VALUES ('drop', 'Drop', 'EUR') RETURNING *"
        )
    finally:
        await connection.close()

    assert made is not None
    # The share is kept with few digits.
    defaults = {
        rule: round(made[rule], 6) if isinstance(made[rule], float) else made[rule]
        for rule in rules
    }
    assert len(rules) > 20
    assert defaults == rules
