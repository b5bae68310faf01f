"""The sentences of a page's scripts, which a page in another language than English carries."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from markupsafe import Markup

from inventory.kit.language.language import Language

_TEXT = r'"((?:[^"\\]|\\.)*)"'
_SAYS = re.compile(rf"\bsay\(\s*{_TEXT}")
_SAYS_N = re.compile(rf"\bsayN\([^\"`]*?,\s*{_TEXT},\s*{_TEXT}", re.DOTALL)
_IMPORTED = re.compile(r'(?:from|import\()\s*"\./([a-z-]+\.js)"')


def sentences_in(text: str) -> Iterator[tuple[str, str | None]]:
    """Return the sentences that a script says, each with its plural or None."""
    for found in _SAYS.finditer(text):
        yield json.loads(f'"{found[1]}"'), None
    for found in _SAYS_N.finditer(text):
        yield json.loads(f'"{found[1]}"'), json.loads(f'"{found[2]}"')


@cache
def words_of(folder: Path, names: tuple[str, ...], language: Language) -> Markup:
    """Return the block of a page that gives these scripts and their imports their sentences.

    English needs none, since it stands in the scripts.
    """
    if not language.sentences:
        return Markup("")
    said = {one for name in _with_imports(folder, names) for one in _sentences_of(folder / name)}
    words: dict[str, object] = {"": list(language.plurals)}
    for text in sorted(said & language.sentences.keys()):
        forms = language.sentences[text]
        words[text] = list(forms) if len(forms) > 1 else forms[0]
    # An end tag in a sentence would end the block.
    block = json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup('<script type="application/json" id="words">{}</script>').format(Markup(block))  # noqa: S704 - it is JSON, and has no tag


def _sentences_of(path: Path) -> set[str]:
    return {text for text, _ in sentences_in(path.read_text(encoding="utf-8"))}


def _with_imports(folder: Path, names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    due = list(names)
    while due:
        name = due.pop()
        if name not in found:
            found.add(name)
            due += _IMPORTED.findall((folder / name).read_text(encoding="utf-8"))
    return found
