"""The fenced blocks of README and docs: each with its page and its kind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```[ ]*$", flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of a page, with the kind that its fence names and the line at which it begins."""

    page: str
    kind: str
    text: str
    line: int

    @property
    def first(self) -> str:
        """The first line, by which tables of tests name the block."""
        return self.text.partition("\n")[0]

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*kinds: str) -> list[Block]:
    """Return the blocks of these kinds, all of them for none, in the order of pages."""
    return [block for block in _blocks() if not kinds or block.kind in kinds]


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            indent, kind, body = found.groups()
            yield Block(
                page=str(page.relative_to(ROOT)),
                kind=kind,
                text=re.sub(f"^{indent}", "", body, flags=re.MULTILINE),
                line=text.count("\n", 0, found.start()) + 1,
            )


def fences() -> int:
    """Return the number of fences in all pages: two for each block, if every block is found."""
    return sum(
        len(re.findall(r"^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
        for page in PAGES
    )
