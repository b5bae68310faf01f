"""The languages that this program speaks: English, and one for each catalogue."""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from babel import Locale
from babel.messages import Catalog
from babel.messages.pofile import read_po

from inventory.kit.language.language import Language

SOURCE = "en"
# Tags by which browsers name a language that has another tag here.
ALIASES = {"zh": "zh-Hans", "iw": "he", "in": "id"}
# The CLDR names languages by words, and a switch names this one with its script.
_NAMES = {"zh-Hans": "简体中文", "id": "Bahasa Indonesia"}
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
PLURALS_SOUGHT = 200


def folder() -> Path:
    return Path(str(resources.files("static"))) / "languages"


@cache
def tags() -> tuple[str, ...]:
    """Return the tags of all languages, English first."""
    return (SOURCE, *sorted(path.stem for path in folder().glob("*.po")))


@cache
def language(tag: str) -> Language:
    """Return the language with this tag, which is one of `tags()`. Its catalogue is read once."""
    locale = Locale.parse(tag, sep="-")
    return Language(
        tag=tag,
        name=_name_of(tag),
        locale=locale,
        sentences={} if tag == SOURCE else sentences_of(read_catalogue(tag)),
        plurals=_plurals_of(locale),
    )


def english() -> Language:
    return language(SOURCE)


@cache
def choices() -> tuple[tuple[str, str], ...]:
    """Return tag and own name of every language, in the order of the switch; reads no catalogue."""
    return tuple((tag, _name_of(tag)) for tag in tags())


def _name_of(tag: str) -> str:
    return _NAMES.get(tag) or str(Locale.parse(tag, sep="-").language_name).capitalize()


def read_catalogue(tag: str) -> Catalog:
    with (folder() / f"{tag}.po").open("rb") as file:
        return read_po(file, locale=tag.replace("-", "_"))


def sentences_of(catalogue: Catalog) -> dict[str, tuple[str, ...]]:
    """Return the translations by their English sentence; one that is missing stays English."""
    return dict(_translated(catalogue))


def _translated(catalogue: Catalog) -> Iterator[tuple[str, tuple[str, ...]]]:
    for message in catalogue:
        source = message.id if isinstance(message.id, str) else message.id[0]
        said = message.string or ""
        forms = (said,) if isinstance(said, str) else tuple(said)
        if source and all(forms):
            yield source, forms


def _plurals_of(locale: Locale) -> tuple[str, ...]:
    """Return the CLDR's plural categories of whole numbers, in the order of a catalogue's forms.

    Some languages have one more for whole millions, which a catalogue leaves out.
    """
    found = {locale.plural_form(count) for count in range(PLURALS_SOUGHT)}
    return tuple(name for name in CATEGORIES if name in found)
