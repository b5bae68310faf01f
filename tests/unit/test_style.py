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
MISTAKES = sorted((ROOT / "tools" / "mutants").glob("*.patch"))
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
    "waitroom/line/ticket.py",
    "waitroom/line/invitation.py",
    "waitroom/log/chain.py",
    "waitroom/log/draw.py",
    "waitroom/log/signing.py",
    "waitroom/log/audit.py",
    "waitroom/log/verify/ballot.py",
    "waitroom/log/verify/links.py",
    "waitroom/log/verify/exceptions.py",
    "waitroom/log/entries.py",
    "waitroom/log/verify/finding.py",
    "waitroom/log/verify/line.py",
    "waitroom/log/verify/receipt.py",
    "waitroom/log/verify/witness.py",
    "waitroom/line/policy.py",
    "waitroom/line/forecast/demand.py",
    "waitroom/line/forecast/expected.py",
    "waitroom/line/forecast/rates.py",
    "waitroom/line/people_csv.py",
    "waitroom/line/wait.py",
    "waitroom/line/state.py",
    "waitroom/web/view.py",
    "waitroom/reports/fairness/arrival.py",
    "waitroom/reports/fairness/draws.py",
    "waitroom/reports/fairness/forecast.py",
    "waitroom/reports/fairness/overtaking.py",
    "waitroom/reports/fairness/record.py",
    "waitroom/reports/fairness/report.py",
    "waitroom/reports/fairness/stretch.py",
    "waitroom/reports/fairness/verdict.py",
    "waitroom/log/words.py",
    "waitroom/outgoing/mail/attempt.py",
    "waitroom/outgoing/mail/message.py",
    "waitroom/outgoing/mail/relay.py",
    "waitroom/reports/analytics/report.py",
    "waitroom/reports/analytics/waits.py",
    "waitroom/outgoing/outbox/event.py",
    "waitroom/outgoing/outbox/attempt.py",
    "waitroom/outgoing/outbox/address.py",
    "waitroom/outgoing/outbox/signature.py",
    "waitroom/rehearse/play/agenda.py",
    "waitroom/rehearse/play/baseline.py",
    "waitroom/rehearse/play/books.py",
    "waitroom/rehearse/results/chart.py",
    "waitroom/rehearse/scenario/course.py",
    "waitroom/line/forecast/track_record.py",
    "waitroom/rehearse/results/plot.py",
    "waitroom/rehearse/scenario/recording.py",
    "waitroom/rehearse/results/result.py",
    "waitroom/rehearse/scenario/scenario.py",
    "waitroom/rehearse/results/score.py",
    "waitroom/rehearse/play/shop.py",
    "waitroom/rehearse/scenario/variant.py",
    "inventory/catalogue.py",
    "inventory/catalogue_csv.py",
    "inventory/hold.py",
    "inventory/kit/pulse.py",
    "checkout/customers/customer.py",
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
