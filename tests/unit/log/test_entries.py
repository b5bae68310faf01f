"""The vocabulary of the log is the one that the SQL writes, and everything that reads knows it."""

import json
import re
from collections import defaultdict
from importlib import resources
from pathlib import Path

import pytest
from honest_log import plain_log

from waitroom.log.audit import audit
from waitroom.log.entries import KINDS, Joined, OfNumber, Unknown
from waitroom.log.reading import UnreadableEntry, read_entry
from waitroom.log.verify.exceptions import COUNTED
from waitroom.log.verify.receipt import HAPPENED

DOCS = Path(__file__).parents[3] / "docs" / "how-it-works" / "draw-and-log.md"
# These kinds are checked one by one; the verifier counts all others as exceptions to the order.
FOLLOWED = {
    "room_created",
    "status",
    "draw_announced",
    "entered",
    "entries_closed",
    "closing_signed",
    "public_value",
    "drawn",
    "joined",
    "called",
}
# The stock and the published waits are told for information: no order depends on them.
TOLD_ONLY = {"sold_out", "stock_back", "forecast"}


def writers() -> dict[str, set[str]]:
    """Return the SQL functions that write each kind of entry."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in resources.files("waitroom").rglob("*.sql"):  # type: ignore[attr-defined]
        text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
        for function in re.split(r"\bCREATE (?:OR REPLACE )?FUNCTION ", text)[1:]:
            name = function.split("(", 1)[0].strip()
            for call in re.findall(r"\bappend_log\(\s*([^;]*);", function.split("(", 1)[1]):
                kinds = re.findall(r"'(\w+)'", second_of(call))
                assert kinds, f"{name} writes an entry whose kind cannot be read off the SQL"
                for kind in kinds:
                    found[kind].add(name)
    return dict(found)


def second_of(arguments: str) -> str:
    """Return the second of a call's arguments, which may themselves hold commas in brackets."""
    depth, parts = 0, [""]
    for sign in arguments:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts[1]


def test_every_kind_that_the_sql_writes_is_in_the_vocabulary_and_no_other() -> None:
    assert set(writers()) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_names_its_writers(kind: str) -> None:
    (sentence,) = re.findall(r"Written by ([^.]*)\.", KINDS[kind].__doc__ or "")

    assert set(re.findall(r"`(\w+)`", sentence)) == writers()[kind]


def test_the_docs_list_every_kind_once() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(KINDS)


def test_the_verifier_knows_every_kind() -> None:
    counted = {name for name, kind in KINDS.items() if kind in COUNTED}

    assert counted | FOLLOWED | TOLD_ONLY == set(KINDS)
    assert not counted & (FOLLOWED | TOLD_ONLY)


def test_every_event_of_a_place_can_be_told_to_its_holder() -> None:
    assert set(HAPPENED) == {kind for kind in KINDS.values() if issubclass(kind, OfNumber)}


def test_an_unknown_kind_is_read_as_unknown_and_belongs_to_the_chain() -> None:
    log = plain_log()
    entry = log.add("fireworks", line="main-1", colour="red")

    read = read_entry(entry.body)

    assert isinstance(read, Unknown)
    assert (read.seq, read.kind) == (entry.seq, "fireworks")
    assert "fireworks" in next(f.sentence for f in audit(log.entries) if f.check == "kinds")


JOINED = {
    "seq": 4,
    "kind": "joined",
    "at": "2026-11-22T19:00:03.123456Z",
    "line": "main-1",
    "first": 1,
    "last": 9,
    "called": 0,
    "root": "ab" * 32,
}


def test_an_entry_may_say_more_than_is_known() -> None:
    read = read_entry(json.dumps({**JOINED, "weather": "fine"}))

    assert isinstance(read, Joined)
    assert (read.kind, read.last) == ("joined", 9)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"last": None}, r"Expected `int`, got `null` - at `\$.last`"),
        ({"first": 0}, r"Expected `int` >= 1 - at `\$.first`"),
        ({"last": 2**53}, r"at `\$.last`"),
        ({"called": -1}, r"at `\$.called`"),
        ({"root": "ab"}, r"at `\$.root`"),
        ({"root": "AB" * 32}, r"at `\$.root`"),
        ({"seq": "4"}, r"at `\$.seq`"),
        ({"at": "2026-11-22T19:00:03"}, "with a timezone"),
        ({"at": "2026-11-22T20:00:03+01:00"}, "in UTC"),
    ],
)
def test_what_does_not_fit_a_kind_is_refused_with_the_reason(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnreadableEntry, match=reason):
        read_entry(json.dumps({**JOINED, **changes}))
