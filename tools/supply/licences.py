"""List the licences of all that is installed, and refuse one that is not allowed.

    python tools/supply/licences.py

Run it with the Python of the environment. What a sale runs on has a licence of `RUNNING`; what only
tests run, and no one hands on, may also have one of `TESTING`. Fails with a line for each package
whose licence is another, or cannot be told.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RUNNING = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU"),
    *("MPL-2.0", "PSF-2.0", "PostgreSQL"),
}
TESTING = {"GPL-3.0-or-later"}
EXTRAS = ("embedded", "stripe", "mcp", "traces")
# Words of older metadata, in the order in which they are looked for.
SPELLINGS = (
    (r"apache", "Apache-2.0"),
    (r"mozilla|mpl", "MPL-2.0"),
    (r"python software foundation|psf", "PSF-2.0"),
    (r"bsd[- ]2|2-clause", "BSD-2-Clause"),
    (r"bsd", "BSD-3-Clause"),
    (r"\bmit\b", "MIT"),
    (r"isc", "ISC"),
)


def licence_of(found: Distribution) -> str:
    """Return the licence as an expression of SPDX; "" if the package does not tell."""
    if expression := found.metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in found.metadata.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    # Long ones are the text of the licence, whose first line names it.
    field = (found.metadata.get("License") or "").strip().partition("\n")[0]
    named = [spdx for text in [*classifiers, field] if (spdx := _spdx(text))]
    return " OR ".join(dict.fromkeys(named)) or _of_its_file(found)


def _spdx(text: str) -> str:
    return next((spdx for words, spdx in SPELLINGS if re.search(words, text, re.IGNORECASE)), "")


def _of_its_file(found: Distribution) -> str:
    for file in found.files or []:
        if re.search(r"(?i)licen[cs]e", file.name):
            return _spdx(file.read_text(encoding="utf-8")[:2000])
    return ""


def allows(expression: str, allowed: set[str]) -> bool:
    """Say whether one of the choices that an expression leaves is allowed as a whole."""
    choices = re.split(r"\s+OR\s+", expression.replace("(", "").replace(")", ""))
    return any(set(re.split(r"\s+AND\s+", choice.strip())) <= allowed for choice in choices)


def running(installed: dict[str, Distribution]) -> set[str]:
    """Return the packages that a sale runs on, by the requirements from `waitroom` on."""
    found: set[str] = set()
    left: list[tuple[str, frozenset[str]]] = [("waitroom", frozenset(EXTRAS))]
    while left:
        name, extras = left.pop()
        if name in found or name not in installed:
            continue
        found.add(name)
        left += [
            (canonicalize_name(needed.name), frozenset(needed.extras))
            for needed in map(Requirement, installed[name].requires or [])
            if _applies(needed, extras)
        ]
    return found


def _applies(needed: Requirement, extras: frozenset[str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": one}) for one in {"", *extras})


def faults(installed: dict[str, Distribution]) -> Iterator[str]:
    """Yield a line for each package whose licence is not allowed."""
    serving = running(installed)
    for name, found in sorted(installed.items()):
        licence = licence_of(found)
        allowed = RUNNING if name in serving else RUNNING | TESTING
        use = "" if name in serving else "\t(tests)"
        sys.stdout.write(f"{name} {found.version}\t{licence or '?'}{use}\n")
        if not allows(licence, allowed):
            yield f"{name}: the licence {licence or 'that it does not tell'} is not allowed"


def main() -> int:
    """Print all licences; return 1 if any is not allowed."""
    found = {canonicalize_name(each.name): each for each in distributions()}
    refused = list(faults(found))
    for line in refused:
        sys.stderr.write(f"{line}\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
