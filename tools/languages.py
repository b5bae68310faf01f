"""Bring every catalogue up to date with the sentences in the code, and say what each lacks.

A new sentence gets an empty translation, a sentence that is gone loses its own. `--add TAG` begins
a catalogue. docs/languages.md tells translators the rest.
"""

import argparse
import ast
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import click
from babel import Locale
from babel.messages import Catalog
from babel.messages.pofile import write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from inventory.kit.language.catalogues import SOURCE, folder, read_catalogue, tags
from inventory.kit.language.scripts import sentences_in
from inventory.kit.problem import Refusal

# The functions that take sentences, in templates and in Python.
SAYING = ("say", "say_n", "markup", "markup_n", "phrase")
# Pages that are in English alone: the operators'.
ENGLISH_PAGES = ("api.html", "login.html", "login_provider.html", "login_second.html")
# Every sentence of a refusal is for shoppers, but for those that only operators and programs meet.
PACKAGES = ("inventory", "checkout", "waitroom")
REFUSALS = (
    "inventory.kit.problem",
    "inventory.refusals",
    "checkout.refusals",
    "waitroom.refusals",
    "waitroom.desk.proving.refusals",
)
FOR_OTHERS = set(
    re.findall(
        r"\w+",
        """
    AddressRefused AuditTooLong BelowCommitted CatalogueMoved ChangedMeanwhile CrowdRunning
    ConfigurationKeyWrong CustomerBusy CustomersNotConfigured DeliveryRunning DrawIsDue
    EndpointInactive EventTaken FairnessNotPublic IdempotencyKeyMissing IdempotencyKeyReused
    IdempotencyKeyWeak ImportRefused InUse LastAdmin LookDraftWaits LogNotPublicYet
    MethodNotAllowed NoCrowds NoDrawWaits NoGate NotAPicture NotCancellable NotCsv NotElsewhere
    NotOpenYet NotReady NotRefundable NotSigned NothingToRehearse OwnAccount PeopleTooMany
    PictureTooLarge PicturesTooMany PlaceOver RefundFailed RefundTooLarge Refusal RehearsalBrokeOff
    RoomArchived RoomUnreadable SaleEnded SaleNotEnded SignInNeeded SkuNotHere SkuNotOrdered
    StillOpen Taken TooLarge TooManyGoods TooManyUnits TooMuchToCount UnknownOperator UnknownRefund
    UnreadableColour UnreadableFile UnreadablePeople WrongCode WrongPassword
""",
    )
)
PLURALS = {
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 && n%100<=99 ? 4 : 5);",
    "he": "nplurals=3; plural=(n==1 ? 0 : n==2 ? 1 : 2);",
    "pl": "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);",
    **dict.fromkeys(("fr", "pt", "hi"), "nplurals=2; plural=(n > 1);"),
    **dict.fromkeys(("id", "ja", "ko", "zh-Hans"), "nplurals=1; plural=0;"),
}
PLURALS_USUAL = "nplurals=2; plural=(n != 1);"
UNREVIEWED = """\
# {name} for waitroom.
# Machine-made. Reviewed by no native speaker so far. docs/languages.md tells how to mend it.
#"""


@dataclass(slots=True, kw_only=True)
class Sentence:
    """An English sentence, its plural if it has one, and the files that say it."""

    many: str | None = None
    files: set[str] = field(default_factory=set)


def sentences() -> dict[str, Sentence]:
    """Return every sentence that shoppers see, in the order of the files."""
    found: dict[str, Sentence] = {}
    for path, one, many in _everywhere():
        sentence = found.setdefault(one, Sentence())
        sentence.many = sentence.many or many
        sentence.files.add(path)
    return found


def shoppers_templates() -> list[Path]:
    every = sorted((ROOT / "static" / "templates").glob("*.html"))
    return [path for path in every if not any(path.match(name) for name in ENGLISH_PAGES)]


def _everywhere() -> Iterator[tuple[str, str, str | None]]:
    """Return file, sentence and plural, or None, of everything that shoppers are told."""
    scripts = sorted((ROOT / "static" / "js").glob("*.js"))
    modules = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    for paths, read in (
        (shoppers_templates(), _in_template),
        (scripts, sentences_in),
        (modules, _in_python),
    ):
        for path in paths:
            for one, many in read(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(ROOT)), one, many
    for module in REFUSALS:
        for title in _titles(module):
            yield module.replace(".", "/") + ".py", title, None


def _titles(module: str) -> Iterator[str]:
    """Return the sentences of a module's refusals, but for those that shoppers never meet."""
    for refusal in vars(importlib.import_module(module)).values():
        own = isinstance(refusal, type) and refusal.__module__ == module
        if own and issubclass(refusal, Refusal) and refusal.__name__ not in FOR_OTHERS:
            yield refusal.title


def _in_template(text: str) -> Iterator[tuple[str, str | None]]:
    tree = Environment(autoescape=True).parse(text)
    for _, name, said in extract_from_ast(tree, ("say", "say_n"), babel_style=False):
        texts = [one for one in ([said] if isinstance(said, str) else said) if one is not None]
        if texts:
            yield texts[0], texts[1] if name == "say_n" else None


def _in_python(text: str) -> Iterator[tuple[str, str | None]]:
    if not any(f"{name}(" in text for name in SAYING):
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in SAYING:
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            texts = [one for one in texts if isinstance(one, str)]
            if texts:
                yield texts[0], texts[1] if name.endswith("_n") else None


def brought_up(tag: str, old: Catalog | None) -> Catalog:
    """Return a catalogue with exactly the sentences of the code, and the old translations."""
    name = str(Locale.parse(tag, sep="-").english_name)
    new = Catalog(
        locale=tag.replace("-", "_"),
        project="waitroom",
        header_comment=old.header_comment if old is not None else UNREVIEWED.format(name=name),
        fuzzy=False,
        creation_date=datetime(2026, 11, 29, tzinfo=UTC),
        revision_date=datetime(2026, 11, 29, tzinfo=UTC),
    )
    # As in the head of a file: Babel counts a form for whole millions, which no other tool knows.
    new.mime_headers = [("Plural-Forms", PLURALS.get(tag, PLURALS_USUAL))]
    for one, sentence in sentences().items():
        known = old.get(one) if old is not None else None
        forms = new.num_plurals if sentence.many else 1
        said = known.string if known is not None else ""
        said = said if isinstance(said, tuple) == bool(sentence.many) else ""
        new.add(
            (one, sentence.many) if sentence.many else one,
            said or (("",) * forms if sentence.many else ""),
            locations=[(path, 1) for path in sorted(sentence.files)],
        )
    return new


def written(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_po(file, catalogue, width=100, include_lineno=False, omit_header=False)
    return file.getvalue()


def lacking(catalogue: Catalog) -> list[str]:
    """Return the sentences that a catalogue has no whole translation of."""
    return [
        message.id[0] if isinstance(message.id, tuple) else message.id
        for message in catalogue
        if message.id
        and not all(message.string if isinstance(message.string, tuple) else [message.string])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--add", metavar="TAG", action="append", default=[])
    for tag in dict.fromkeys([*tags(), *parser.parse_args().add]):
        if tag == SOURCE:
            continue
        path = folder() / f"{tag}.po"
        catalogue = brought_up(tag, read_catalogue(tag) if path.exists() else None)
        path.write_bytes(written(catalogue))
        missing = lacking(catalogue)
        click.echo(f"{tag}: {len(catalogue)} sentences, {len(missing)} to translate")
        for text in missing[:5]:
            click.echo(f"    {text}")


if __name__ == "__main__":
    main()
