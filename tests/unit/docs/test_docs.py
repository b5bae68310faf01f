"""Every file, test, setting and command that the pages name exists, and none is left out."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import msgspec

from waitroom.admin.accounts.sign_in import ROLES as OPERATOR_ROLES
from waitroom.admin.bodies import RoomChange
from waitroom.cli.program import main
from waitroom.cli.serve import ROLE_NAMES
from waitroom.run.settings import Secrets, Settings

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
INVARIANTS = DOCS / "invariants.md"
SETTINGS = DOCS / "settings.md"
WORDS_MAX = {"README.md": 900, "ARCHITECTURE.md": 2500}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TEST_NAME = re.compile(r"\btest_[a-z0-9_]+(?![a-z0-9_./*])")
# A path in code marks: folders end in a slash, files in one of our endings.
NAMED_PATH = re.compile(
    r"`((?:[\w.-]+/)+(?:[\w.-]+\.(?:py|md|sql|lua|toml|html|js|css|sh|svg|png))?)`"
)
# These folders are made by commands, or stand for a name that the reader fills in.
MADE = ("build/", ".venv/")
IDENTIFIER = re.compile(r"`([A-Za-z_]+)`")
# Package docstrings name files without their folder, and functions, tables and columns.
NAMED_FILE = re.compile(r"`([\w-]+\.(?:py|sql|lua|toml))`")
NAMED_IN_CODE = re.compile(r"`(\w+_\w+)(?:\(\))?`")
# Names that are no part of the code: others' tokens and keys, an example, the draw's test vectors,
# variables of tests, and a ratio whose name the benchmark puts together.
FOREIGN = {
    # PostgreSQL's own.
    *(
        "pg_cancel_backend",
        "pg_promote",
        "pg_monitor",
        "synchronous_commit",
        "synchronous_standby_names",
    ),
    *("target_session_attrs", "SyncRep"),
    *("CONTRACT_SEED", "CONTRACT_EXAMPLES"),
    *("access_token", "service_role", "MUG_01"),
    *("closing_signature", "head_7_signature", "of_10"),
    *("claim_vs_bare", "check_vs_bare"),
    *("auth_request", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"),
}


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors_of(path: Path) -> set[str]:
    """Return the anchors that a page's headings get, by GitHub's rules."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(read(path)), flags=re.MULTILINE):
        plain = LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading)
        kept = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(kept)
    return found


def rows_of(path: Path, heading: str) -> Iterator[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    part = read(path).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


@cache
def known_tests() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= {
            path.stem,
            *re.findall(r"^\s*(?:async )?def (test_\w+)", read(path), flags=re.MULTILINE),
        }
    return found


@cache
def source_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.sql", "*.lua", "*.toml", "*.js", "*.html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split() if not name.startswith("tests/")]
    return [ROOT / name for name in names if (ROOT / name).exists()]


@cache
def words_of_the_code() -> set[str]:
    """Return every word of the code; package docstrings are about it and no part of it."""
    texts = (read(path) for path in source_files() if path.name != "__init__.py")
    return {word for text in texts for word in re.findall(r"\w+", text)}


def leads_somewhere(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    name, _, anchor = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    return file.exists() and (not anchor or anchor in anchors_of(file))


def test_every_link_leads_somewhere() -> None:
    broken = [
        (short(page), target)
        for page in PAGES
        for target in LINK.findall(without_code(read(page)))
        if not leads_somewhere(page, target)
    ]

    assert broken == []


def test_every_file_that_a_page_names_exists() -> None:
    gone = [
        (short(page), name)
        for page in PAGES
        for name in NAMED_PATH.findall(read(page))
        if not name.startswith(MADE) and not (ROOT / name).exists()
    ]

    assert gone == []


def test_every_test_that_a_page_names_exists() -> None:
    gone = [
        (short(page), name)
        for page in PAGES
        for name in TEST_NAME.findall(read(page))
        if name not in known_tests()
    ]

    assert gone == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
    gone = [
        (short(page), name)
        for page in PAGES
        for name in re.findall(r"(?:`|^)make ([a-z-]+)", read(page), flags=re.MULTILINE)
        if name not in targets
    ]

    assert gone == []


def test_every_make_target_is_explained() -> None:
    explained = re.findall(r"^([a-z-]+):.*##", read(ROOT / "Makefile"), flags=re.MULTILINE)
    text = read(ROOT / "CONTRIBUTING.md")

    assert [target for target in explained if f"`make {target}`" not in text] == []


def test_the_first_pages_are_short() -> None:
    lengths = {name: len(read(ROOT / name).split()) for name in WORDS_MAX}

    assert [name for name, most in WORDS_MAX.items() if lengths[name] > most] == []


def names_that_are_gone(text: str) -> set[str]:
    """Return the tests, functions, tables and columns of a text that do not exist."""
    tests = set(TEST_NAME.findall(text))
    others = set(NAMED_IN_CODE.findall(text)) - tests - {path.stem for path in source_files()}
    return (tests - known_tests()) | (others - words_of_the_code())


def test_every_name_from_the_code_that_a_page_names_exists() -> None:
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    gone = {short(page): names_that_are_gone(without_code(read(page))) for page in pages}

    assert {page: names - FOREIGN for page, names in gone.items() if names - FOREIGN} == {}


def test_every_package_explains_itself_by_names_that_exist() -> None:
    texts = {
        short(path): ast.get_docstring(ast.parse(read(path))) or ""
        for path in source_files()
        if path.name == "__init__.py"
    }

    files = {path.name for path in source_files()}
    gone = {
        package: names_that_are_gone(text) | (set(NAMED_FILE.findall(text)) - files)
        for package, text in texts.items()
    }

    assert [package for package, text in texts.items() if not text] == []
    assert {package: names for package, names in gone.items() if names} == {}


def test_every_name_in_the_table_of_invariants_exists() -> None:
    table = [line for line in read(INVARIANTS).splitlines() if line.startswith("| ")]
    enforcing = " ".join(line.split("|")[2] for line in table)
    named = set(IDENTIFIER.findall(enforcing))

    assert len(named) > 40
    assert named - words_of_the_code() == set()


def test_every_setting_is_listed_with_its_default() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows_of(SETTINGS, "The program")}
    defaults: dict[str, Any] = msgspec.to_builtins(Settings())

    documented = {name: tomllib.loads(f"it = {text}")["it"] for name, text in listed.items()}
    documented["data_dir"] = defaults["data_dir"]

    assert documented == defaults
    assert list(documented) == list(defaults)


def test_every_secret_is_listed_with_its_variable() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows_of(SETTINGS, "Secrets")}

    assert listed == {name: f"WAITROOM_{name.upper()}" for name in Secrets.__struct_fields__}


def test_every_rule_of_a_room_is_listed() -> None:
    listed = [
        rule
        for row in rows_of(SETTINGS, "Rules of a room")
        for rule in re.findall(r"`(\w+)`", row[0])
    ]

    assert set(listed) == set(RoomChange.__struct_fields__) - {"reason"}
    assert len(listed) == len(set(listed))


def test_every_role_is_listed() -> None:
    of_processes = {row[0].strip("`") for row in rows_of(SETTINGS, "Roles")}
    of_operators = {
        row[0].strip("`") for row in rows_of(DOCS / "run-the-night.md", "Accounts") if len(row) == 2
    }

    assert of_processes == set(ROLE_NAMES)
    assert of_operators >= set(OPERATOR_ROLES)


def commands_of(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_is_listed() -> None:
    listed = [row[0].strip("`") for row in rows_of(SETTINGS, "Commands")]

    assert sorted(listed) == sorted(commands_of(main, "waitroom"))
