"""What the style page asks of every file and a test can see."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("waitroom", "checkout", "inventory")
# Imports follow the shopper; each package may use those after it.
ALLOWED = {
    "waitroom": {"waitroom", "checkout", "inventory"},
    "checkout": {"checkout", "inventory"},
    "inventory": {"inventory"},
}
OURS = {*PACKAGES, "static", "tests", "conftest", "support"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
LUA_LINES_MAX = 60

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MISTAKES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))
SCRIPTS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.lua"))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> set[str]:
    """Return the top packages that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".", 1)[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            own = path.relative_to(ROOT).parts[0]
            found.add(own if node.level else (node.module or "").split(".", 1)[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_imports_follow_the_shopper(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]

    assert imports_of(path) & OURS <= ALLOWED[package]


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_file_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_function_fits_a_screen(path: Path) -> None:
    too_long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert too_long == []


@pytest.mark.parametrize("path", SCRIPTS, ids=short)
def test_a_lua_script_is_short_and_says_what_it_takes_and_returns(path: Path) -> None:
    lines = path.read_text().splitlines()
    header = []
    for line in lines:
        if not line.startswith("--"):
            break
        header.append(line)

    text = "\n".join(header)
    assert len(lines) < LUA_LINES_MAX
    assert "KEYS" in text
    assert "ARGV[1]" in text
    assert "Returns" in text


# A module with a bare noun for its name is pure: no clock, no engine, no awaiting.
PURE = [
    "waitroom/ticket.py",
    "waitroom/invitation.py",
    "waitroom/log.py",
    "waitroom/draw.py",
    "waitroom/audit.py",
    "waitroom/verify/ballot.py",
    "waitroom/verify/chain.py",
    "waitroom/verify/exceptions.py",
    "waitroom/verify/facts.py",
    "waitroom/verify/finding.py",
    "waitroom/verify/line.py",
    "waitroom/verify/receipt.py",
    "waitroom/verify/witness.py",
    "waitroom/admission.py",
    "waitroom/demand.py",
    "waitroom/expected.py",
    "waitroom/rates.py",
    "waitroom/people_csv.py",
    "waitroom/wait.py",
    "waitroom/state.py",
    "waitroom/view.py",
    "waitroom/fairness/arrival.py",
    "waitroom/fairness/draws.py",
    "waitroom/fairness/forecast.py",
    "waitroom/fairness/overtaking.py",
    "waitroom/fairness/record.py",
    "waitroom/fairness/report.py",
    "waitroom/fairness/stretch.py",
    "waitroom/fairness/verdict.py",
    "waitroom/fairness/words.py",
    "waitroom/mail/attempt.py",
    "waitroom/mail/message.py",
    "waitroom/mail/relay.py",
    "waitroom/analytics/report.py",
    "waitroom/analytics/waits.py",
    "waitroom/outbox/event.py",
    "waitroom/outbox/attempt.py",
    "waitroom/outbox/address.py",
    "waitroom/outbox/signature.py",
    "waitroom/rehearse/agenda.py",
    "waitroom/rehearse/baseline.py",
    "waitroom/rehearse/books.py",
    "waitroom/rehearse/chart.py",
    "waitroom/rehearse/course.py",
    "waitroom/record.py",
    "waitroom/rehearse/plot.py",
    "waitroom/rehearse/recording.py",
    "waitroom/rehearse/result.py",
    "waitroom/rehearse/scenario.py",
    "waitroom/rehearse/score.py",
    "waitroom/rehearse/shop.py",
    "waitroom/rehearse/variant.py",
    "inventory/catalogue.py",
    "inventory/catalogue_csv.py",
    "inventory/hold.py",
    "inventory/kit/pulse.py",
    "checkout/customer.py",
    "checkout/history/cursor.py",
    "checkout/history/receipt.py",
    "checkout/history/record.py",
    "checkout/history/search.py",
    "checkout/history/sheet.py",
    "checkout/history/status.py",
    "checkout/history/timeline.py",
    "checkout/order.py",
    "checkout/refund.py",
    "checkout/session.py",
]
IMPURE = {"asyncio", "time", "random", "os", "socket", "asyncpg", "redis", "aiohttp", "secrets"}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_has_no_clock_no_engine_and_no_awaiting(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())

    awaiting = [n for n in ast.walk(tree) if isinstance(n, ast.Await | ast.AsyncFunctionDef)]
    clocks = [
        n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in {"now", "utcnow"}
    ]

    assert imports_of(ROOT / name) & IMPURE == set()
    assert awaiting == []
    # `.now` may be called on nothing that is a class of the datetime module.
    assert [n for n in clocks if isinstance(n.value, ast.Name) and n.value.id == "datetime"] == []


@pytest.mark.parametrize("patch", MISTAKES, ids=lambda path: path.name[:2])
def test_every_known_mistake_can_still_be_planted(patch: Path) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", str(patch)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
