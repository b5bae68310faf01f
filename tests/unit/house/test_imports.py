"""Imports follow the shopper: from the program down to the stock, and never back."""

from collections.abc import Iterator
from graphlib import TopologicalSorter

from sources import ROOT, folder_of, imported, imports, modules

# Everything of ours that a package or a folder of waitroom imports. A folder of waitroom names here
# the other folders; `waitroom.refusals`, the table of all refusals, is below them all.
ALLOWED: dict[str, set[str]] = {
    "inventory": set(),
    "checkout": {"inventory"},
    "waitroom.refusals": {"inventory"},
    "waitroom.log": set(),
    "waitroom.line": {"inventory"},
    "waitroom.look": {"inventory"},
    "waitroom.gate": {"inventory"},
    "waitroom.outgoing": {"inventory", "waitroom.line"},
    "waitroom.store": {"inventory", "waitroom.line", "waitroom.log"},
    "waitroom.reports": {"inventory", "checkout", "waitroom.log"},
    "waitroom.rehearse": {"inventory", "waitroom.line", "waitroom.log"},
    "waitroom.client": {"inventory", "waitroom.line"},
    "waitroom.assistant": {"inventory", "waitroom.client"},
    "waitroom.load": {"inventory", "waitroom.line", "waitroom.client"},
    "waitroom.leader": {"inventory", "waitroom.store", "waitroom.line", "waitroom.log"},
    "waitroom.desk": {
        "inventory",
        "checkout",
        "waitroom.store",
        "waitroom.line",
        "waitroom.look",
        "waitroom.gate",
        "waitroom.log",
    },
    "waitroom.web": {
        "inventory",
        "checkout",
        "waitroom.desk",
        "waitroom.reports",
        "waitroom.line",
        "waitroom.look",
        "waitroom.gate",
        "waitroom.log",
    },
    "waitroom.admin": {
        "inventory",
        "checkout",
        "waitroom.desk",
        "waitroom.reports",
        "waitroom.outgoing",
        "waitroom.store",
        "waitroom.line",
        "waitroom.look",
        "waitroom.gate",
        "waitroom.log",
        "waitroom.client",
        "waitroom.load",
        "waitroom.rehearse",
    },
}
# These two put everything together.
ALLOWED["waitroom.run"] = set(ALLOWED)
ALLOWED["waitroom.cli"] = {*ALLOWED, "waitroom.run"}
ALLOWED["waitroom"] = {"waitroom.cli"}
EVERYWHERE_IN_WAITROOM = "waitroom.refusals"
# What does not have to know the stock knows only what all packages share.
ONLY_THE_KIT = ("waitroom.line", "waitroom.refusals")

# Imports against the rules that stand for now, by module. It only ever becomes shorter.
STILL: set[tuple[str, str]] = set()
# Imports, some of them for the type checker alone, that close a circle.
STILL_IN_A_CIRCLE: set[tuple[str, str]] = set()


def part_of(module: str) -> str:
    """Return the part of the house that a module belongs to: `checkout`, or `waitroom.web`."""
    folder = folder_of(module)
    if folder in ALLOWED:
        return folder
    return module.split(".", maxsplit=1)[0]


def against_the_rules() -> Iterator[tuple[str, str]]:
    for module, wanted in imports().items():
        part = part_of(module)
        allowed = {part, *ALLOWED[part]}
        if part.startswith("waitroom.") and part != "waitroom.log":
            allowed.add(EVERYWHERE_IN_WAITROOM)
        for other in wanted:
            if part_of(other) not in allowed or (
                part in ONLY_THE_KIT
                and part_of(other) == "inventory"
                and not other.startswith("inventory.kit")
            ):
                yield module, other


def test_imports_follow_the_shopper() -> None:
    assert sorted(set(against_the_rules()) - STILL) == []


def test_what_no_longer_breaks_a_rule_is_not_excused() -> None:
    there = {(module, other) for module, wanted in imports().items() for other in wanted}

    assert sorted(STILL - set(against_the_rules())) == []
    assert sorted(STILL_IN_A_CIRCLE - there) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows = {
        module: {other for other in wanted if (module, other) not in STILL_IN_A_CIRCLE}
        for module, wanted in imports().items()
    }

    # It raises CycleError, which names the modules of a circle.
    TopologicalSorter(arrows).prepare()


def test_every_module_belongs_to_a_part_of_the_house() -> None:
    assert {part_of(module) for module in modules()} == {*ALLOWED}


def test_nothing_of_ours_imports_tests_or_tools() -> None:
    strange = {path.stem for folder in ("tests", "tools") for path in (ROOT / folder).iterdir()}
    strange |= {"tests", "tools", "static"}
    tops = {
        name: {wanted.split(".")[0] for wanted in imported(modules()[name])} for name in modules()
    }

    assert {name: found for name, wanted in tops.items() if (found := wanted & strange)} == {}
