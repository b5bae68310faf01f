"""A file can be read in one go, a function fits a screen, and a folder can be looked over."""

import ast
from collections import Counter

from sources import ROOT, files, short, tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FOLDER_MODULES_MAX = 12
JS_LINES_MAX = 200


def test_a_file_can_be_read_in_one_go() -> None:
    lengths = {short(path): len(path.read_text().splitlines()) for path in files("py")}

    assert {name: n for name, n in lengths.items() if n > FILE_LINES_MAX} == {}


def test_a_file_of_sql_can_be_read_in_one_go() -> None:
    sql = sorted((ROOT / "waitroom" / "store" / "migrations").glob("*.sql"))
    lengths = {short(path): len(path.read_text().splitlines()) for path in sql}

    assert len(lengths) > 15
    assert {name: n for name, n in lengths.items() if n > FILE_LINES_MAX} == {}


def test_a_function_fits_a_screen() -> None:
    lengths = {
        f"{short(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in files("py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert len(lengths) > 500
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES_MAX} == {}


def test_a_folder_can_be_looked_over() -> None:
    modules = Counter(short(path.parent) for path in files("py") if path.name != "__init__.py")

    assert {name: n for name, n in modules.items() if n > FOLDER_MODULES_MAX} == {}


def test_a_script_of_a_page_can_be_read_in_one_go() -> None:
    scripts = sorted((ROOT / "static" / "js").rglob("*.js"))
    lengths = {short(path): len(path.read_text().splitlines()) for path in scripts}

    assert len(lengths) > 20
    assert {name: n for name, n in lengths.items() if n >= JS_LINES_MAX} == {}
