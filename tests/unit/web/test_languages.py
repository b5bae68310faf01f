"""Catalogues are whole, and no sentence that shoppers read stands outside them."""

import ast
import importlib
import re
from collections.abc import Collection, Iterator
from functools import cache
from gettext import c2py  # type: ignore[attr-defined]
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages import Catalog
from jinja2 import Environment, nodes
from languages import FOR_OTHERS, REFUSALS, ROOT, sentences, shoppers_templates

from inventory.kit.language.catalogues import ALIASES, english, language, read_catalogue, tags
from inventory.kit.language.choice import prefer
from inventory.kit.language.language import places_of
from inventory.kit.language.scripts import words_of
from inventory.money import format_amount

TRANSLATED = tags()[1:]
known_sentences = cache(sentences)
TOLD_IN_ATTRIBUTES = {"aria-label", "title", "alt", "placeholder", "summary"}
WORD = re.compile(r"[A-Za-z]{2,}")
# A text that begins like a sentence: no code, path, selector or style does.
SENTENCE = re.compile(r"[A-Z][a-z]+( [a-z]+|$)")
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
SAID = re.compile(
    r'\bsay(?:N\([^"`]*?,|\()\s*"(?:[^"\\]|\\.)*"(?:,\s*"(?:[^"\\]|\\.)*")?', re.DOTALL
)
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
# A sentence with its end: what Python says to people, in refusals and in the details of orders.
WHOLE = re.compile(r"[A-Z][a-z]+ .*[a-z]\b.*[.?!]$")
ENDS = re.compile(r"(?<=[.?!]) ")
# What describes the API is for programs.
DESCRIBED = {"Answered", "described", "Answer", "Header", "Whole", "Text", "Choice", "Flag", "When"}
METRICS = {"Counter", "Gauge", "Histogram", "warn", "AssertionError", "RuntimeError"} | DESCRIBED
# Programs and operators read these.
OTHERS_READ = (
    "checkout/holds_api.py",
    "checkout/customers/",
    "checkout/driving/money_watch.py",
    "checkout/gateway/deterministic_gateway.py",
    "checkout/gateway/stripe",
    "checkout/history/",
    "checkout/refund.py",
    "waitroom/desk/shards/",
    "waitroom/web/looks/",
    "waitroom/web/ops.py",
)
ORDERS_SQL = "".join(
    (ROOT / "waitroom" / "store" / "migrations" / name).read_text(encoding="utf-8")
    for name in ("0012_orders.sql", "0013_refunds.sql", "0020_comparison.sql")
)
# Thrown for programmers, or names of keys and events.
NO_SENTENCES = {"Enter", "Accept", "Content-Type", "Date", "Age", "Infinity Infinity", "Infinity"}


def forms_of(catalogue: Catalog) -> dict[str, tuple[str, ...]]:
    return {
        message.id if isinstance(message.id, str) else message.id[0]: (
            (message.string,) if isinstance(message.string, str) else tuple(message.string)
        )
        for message in catalogue
        if message.id
    }


@pytest.mark.parametrize("tag", TRANSLATED)
def test_a_catalogue_has_every_sentence_with_all_its_forms_and_places(tag: str) -> None:
    catalogue, source = read_catalogue(tag), known_sentences()
    forms = forms_of(catalogue)

    assert list(forms) == list(source), "run tools/languages.py"
    assert [one for one, said in forms.items() if not all(said)] == []
    spoken = language(tag)
    for one, said in forms.items():
        many = source[one].many
        assert len(said) == (len(spoken.plurals) if many else 1), one
        for form in said:
            # A form for one alone may say its number in a word.
            left_out = {"n"} if many else set()
            assert set(places_of(many or one)) - left_out <= set(places_of(form)), form
            assert set(places_of(form)) <= set(places_of(many or one)), form
            assert not re.search(r"[<>&\\]", form), form


@pytest.mark.parametrize("tag", TRANSLATED)
def test_the_forms_of_a_catalogue_are_chosen_as_its_head_says(tag: str) -> None:
    choose, spoken = c2py(read_catalogue(tag).plural_expr), language(tag)
    names = tuple(str(at) for at in range(len(spoken.plurals)))
    chosen = [spoken.plurals.index(spoken.locale.plural_form(count)) for count in range(200)]

    assert len(names) == read_catalogue(tag).num_plurals
    assert chosen == [choose(count) for count in range(200)]


class Texts(HTMLParser):
    """Collects what a person reads or hears of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._skipped = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in TOLD_IN_ATTRIBUTES]

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def literals(tree: nodes.Node) -> Iterator[str]:
    """Return the texts in a template's expressions, but for those that are said."""
    if isinstance(tree, nodes.Call) and getattr(tree.node, "name", "") in {"say", "say_n"}:
        for value in tree.kwargs:
            yield from literals(value)
        return
    if isinstance(tree, nodes.Const) and isinstance(tree.value, str):
        yield tree.value
    for child in tree.iter_child_nodes():
        yield from literals(child)


def test_no_template_for_shoppers_has_a_text_outside_the_catalogues() -> None:
    stray: dict[str, list[str]] = {}
    for path in shoppers_templates():
        text = path.read_text(encoding="utf-8")
        bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
        found = [one.strip() for one in Texts(bare).found if WORD.search(one) and '="' not in one]
        found += [one for one in literals(Environment().parse(text)) if SENTENCE.match(one)]
        if found:
            stray[path.name] = found

    assert stray == {}


def scripts_for_shoppers() -> list[Path]:
    every = sorted((ROOT / "static" / "js").glob("*.js"))
    # The log's page is in English.
    return [p for p in every if p.name != "check-place.js"]


def test_no_script_for_shoppers_has_a_sentence_outside_the_catalogues() -> None:
    stray: dict[str, list[str]] = {}
    for path in scripts_for_shoppers():
        text = SAID.sub("", COMMENT.sub("", path.read_text(encoding="utf-8")))
        found = [one or other for one, other in LITERAL.findall(text)]
        found = [one for one in found if SENTENCE.match(one) and one not in NO_SENTENCES]
        if found:
            stray[path.name] = found
    # These say what operators and pages in English read.
    stray.pop("moment.js", None)

    assert stray == {}


def titles_for_others() -> set[str]:
    """Return the titles of the refusals that shoppers never meet."""
    refusals = [one for name in REFUSALS for one in vars(importlib.import_module(name)).values()]
    return {one.title for one in refusals if getattr(one, "__name__", "") in FOR_OTHERS}


def said_by(tree: ast.Module) -> Iterator[str]:
    """Return the texts of a module that are whole sentences, but for documentation and logs."""
    quiet: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) or getattr(getattr(node, "func", None), "id", "") in METRICS:
            quiet |= set(ast.walk(node)) if not isinstance(node, ast.Expr) else {node.value}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            quiet |= set(node.values)
            parts = [getattr(part, "value", "{}") for part in node.values]
            text = "".join(part if isinstance(part, str) else "{}" for part in parts)
        else:
            text = getattr(node, "value", "") if isinstance(node, ast.Constant) else ""
        if node not in quiet and isinstance(text, str) and WHOLE.match(text):
            yield text


def outside_of(text: str, known: Collection[str]) -> list[str]:
    """Return the sentences of a module's source that no catalogue has, whole or in parts."""
    found = said_by(ast.parse(text))
    return [one for one in found if not {one} & known and not set(ENDS.split(one)) <= known]


def test_no_module_for_shoppers_has_a_sentence_outside_the_catalogues() -> None:
    known = set(known_sentences()) | titles_for_others()
    known |= {said.many for said in known_sentences().values() if said.many}
    stray = {}
    for folder in ("checkout", "waitroom/web", "waitroom/desk"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(OTHERS_READ) and (
                found := outside_of(path.read_text(encoding="utf-8"), known)
            ):
                stray[name] = found
    details = re.findall(r"(?:why := |detail = |THEN |ELSE )'([A-Z][^']+\.)'", ORDERS_SQL)

    assert stray == {}
    assert len(details) > 6
    assert [one for text in details for one in ENDS.split(text) if one not in known] == []
    # A sentence that is planted is found, however it is written.
    planted = 'raise NoTicket("Your place is gone.")\nx = f"There is no room {a!r} here."'
    assert set(outside_of(planted, known)) == {"Your place is gone.", "There is no room {} here."}


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("", None),
        ("de", "de"),
        ("de-AT", "de"),
        ("DE-at;q=0.5, en;q=0.4", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("sv, de;q=0.2", "de"),
        ("de;q=0, en", "en"),
        ("de;q=0", None),
        ("*", None),
        ("de-x-private-DE", "de"),
        ("sv;q=1, xx", None),
        (";;;,,,=", None),
        ("de;q=nonsense, en;q=0.1", "en"),
    ],
)
def test_the_language_is_the_one_that_a_browser_prefers(header: str, tag: str | None) -> None:
    assert prefer(header, ("en", "de"), ALIASES) == tag


def test_other_names_of_a_language_lead_to_it() -> None:
    offered = ("en", "zh-Hans", "he", "id")

    assert [prefer(name, offered, ALIASES) for name in ("zh-CN", "iw", "in-ID", "zh-hans-sg")] == [
        "zh-Hans",
        "he",
        "id",
        "zh-Hans",
    ]


def test_numbers_money_and_times_are_written_as_people_of_a_language_do() -> None:
    german, english_ = language("de"), english()
    moment = "2026-11-29T14:05:09+01:00"

    assert german.number(1234567) == "1.234.567"
    assert english_.number(1234567) == "1,234,567"
    assert format_amount(123456, "EUR", german.locale) == "1.234,56\N{NO-BREAK SPACE}€"
    assert german.moment(moment) == "29.11.2026, 13:05 UTC"
    assert german.clock_s(moment) == "13:05:09 UTC"
    assert german.say_n(1200, "{n} second", "{n} seconds") == "1.200 Sekunden"


def test_a_value_is_escaped_and_a_missing_one_leaves_its_place() -> None:
    said = language("de").markup("Search {room}", room='<b>&"{room}')

    assert said == "&lt;b&gt;&amp;&#34;{room} durchsuchen"
    assert english().say("{a} and {b}", a="{b}") == "{b} and {b}"


def test_a_page_carries_the_sentences_of_its_scripts_and_no_others() -> None:
    folder = ROOT / "static" / "js"
    block = words_of(folder, ("waiting.js",), language("de"))

    assert '"The line is moving again.":"Die Schlange geht weiter."' in block
    # A part that is loaded later is spoken too, and the checkout's is not.
    assert "Leave the line?" in block
    assert "Reserve these too" not in block
    assert words_of(folder, ("waiting.js",), english()) == ""
