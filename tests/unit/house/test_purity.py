"""A pure module has no clock, no engine, no dice and no awaiting: time comes in as an argument."""

import ast
import re
from pathlib import Path

from sources import ROOT, files, imported, module_of, short, tree

# In these every module is pure, but for those whose name says that they talk to an engine or the
# network, and those below.
PURE = re.compile(
    r"(checkout|inventory|waitroom\.(line|log|look|gate|reports|outgoing|rehearse))(\.\w+)*\Z"
)
AT_THE_RIM = re.compile(r".*([._](store|api|pages|gateway|webhooks|sender|client|loop|loops))\Z")
NAMED_IMPURE = {
    # They drive money and stock through time.
    "checkout.driving.comparison",
    "checkout.driving.lease_holder",
    "checkout.driving.leased",
    "checkout.driving.books_watch",
    "checkout.driving.money_watch",
    "checkout.driving.payments",
    "checkout.driving.refunds",
    "inventory.sweeper",
    # They ask others over HTTP.
    "checkout.customers.identity",
    "waitroom.log.verify.fetch",
    # It finds sessions in requests, and asks its store which one is meant.
    "checkout.sessions",
    # It finds the holder's secrets in requests, and makes new ones.
    "inventory.kit.holders.holders",
    # What handlers and stores are built from.
    "inventory.kit.assets",
    "inventory.kit.batcher",
    "inventory.kit.database",
    "inventory.kit.http",
    "inventory.kit.language.asked",
    "inventory.kit.limits.limited",
    "inventory.kit.servers.connections",
    "inventory.kit.servers.lending",
    "inventory.kit.servers.servers",
    "inventory.kit.traces.spans",
    "inventory.kit.traces.tracer",
    "inventory.kit.turns",
    # Chance, but seeded: the same seed is the same sale.
    "waitroom.rehearse.play.dice",
    "waitroom.rehearse.play.sample",
}
# In the other folders these are pure.
NAMED_PURE = {
    "waitroom.admin.bodies",
    "waitroom.desk.joining.spacing",
    "waitroom.desk.standing",
    "waitroom.load.bodies",
    "waitroom.load.journey",
    "waitroom.web.waiting.calendar",
    "waitroom.web.waiting.view",
}
IMPURE = {"asyncio", "time", "random", "os", "socket", "asyncpg", "redis", "aiohttp", "secrets"}
CLOCKS = {"now", "utcnow", "today"}


def has_to_be_pure(path: Path) -> bool:
    module = module_of(path)
    if module in NAMED_PURE:
        return True
    return bool(PURE.match(module) and not AT_THE_RIM.match(module) and module not in NAMED_IMPURE)


def impurities(path: Path) -> list[str]:
    tops = {name.split(".")[0] for name in imported(path)}
    found = [f"imports {name}" for name in sorted(tops & IMPURE)]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Await | ast.AsyncFunctionDef):
            found.append(f"awaits in line {node.lineno}")
        # `.now` may be called on anything that is no class of the datetime module.
        if (
            isinstance(node, ast.Attribute)
            and node.attr in CLOCKS
            and isinstance(node.value, ast.Name)
            and node.value.id in {"datetime", "date"}
        ):
            found.append(f"reads the clock in line {node.lineno}")
    return found


def test_a_pure_module_has_no_clock_no_engine_and_no_awaiting() -> None:
    pure = [path for path in files("py") if has_to_be_pure(path)]

    assert len(pure) > 90
    assert {short(path): why for path in pure if (why := impurities(path))} == {}


def test_only_what_exists_and_is_impure_is_named_as_an_exception() -> None:
    modules = {module_of(path): path for path in files("py")}

    assert NAMED_PURE - modules.keys() == set()
    assert NAMED_IMPURE - modules.keys() == set()
    assert [name for name in NAMED_IMPURE if not impurities(modules[name])] == []


def test_an_impure_module_is_recognized() -> None:
    assert impurities(ROOT / "inventory" / "kit" / "batcher.py")
    assert impurities(ROOT / "waitroom" / "run" / "serve.py")
