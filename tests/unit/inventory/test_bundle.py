"""A page's script with its imports, in one text."""

from pathlib import Path

import pytest

from inventory.kit.bundle import NotBundled, bundle_of


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder / "entry.js"


def test_a_module_stands_once_and_before_those_that_import_it(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        entry='import { twice } from "./sum.js";\nimport { ONE } from "./one.js";\ntwice(ONE);\n',
        sum='import { ONE } from "./one.js";\n/** Add. @param {number} n */\n'
        "export const twice = (n) => n + ONE; // kept\n",
        one="// The first.\nexport const ONE = 1;\nexport async function later() {}\n",
    )

    bundle = bundle_of(entry)

    assert bundle.text == (
        "const module_one = (() => {\nconst ONE = 1;\nasync function later() {}\n"
        "return { ONE, later };\n})();\n"
        "const module_sum = (() => {\nconst { ONE } = module_one;\n"
        "const twice = (n) => n + ONE; // kept\nreturn { twice };\n})();\n"
        "const { twice } = module_sum;\nconst { ONE } = module_one;\ntwice(ONE);\n"
    )
    assert [part.name for part in bundle.parts] == ["one.js", "sum.js", "entry.js"]


@pytest.mark.parametrize(
    "modules",
    [
        {"entry": 'import * as all from "./one.js";\n', "one": "export const ONE = 1;\n"},
        {"entry": 'import { ONE as two } from "./one.js";\n', "one": "export const ONE = 1;\n"},
        {"entry": 'import { TWO } from "./one.js";\n', "one": "export const ONE = 1, TWO = 2;\n"},
        {"entry": 'import { ONE } from "./one.js";\n', "one": "export default 1;\n"},
        {"entry": 'import { ONE } from "./one.js";\n', "one": 'import { A } from "./entry.js";\n'},
    ],
)
def test_a_module_that_cannot_be_bundled_is_refused(
    tmp_path: Path, modules: dict[str, str]
) -> None:
    with pytest.raises(NotBundled):
        bundle_of(write(tmp_path, **modules))
