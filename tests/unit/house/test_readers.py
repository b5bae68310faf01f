"""What a request brings is read by functions that bound it, and refuse it in plain words."""

import ast

from sources import files, short, tree

# These bound what they read, and turn whatever is wrong with it into refusals.
READERS = {"inventory/kit/http.py", "waitroom/admin/uploads.py"}
BODY = {"read", "text", "json", "post", "multipart", "content"}
# aiohttp's parser of cookies drops all of them behind one that it cannot read.
COOKIES = {"cookies"}
# A query that is handed on as it came is `rel_url.raw_query_string`.
QUERY = {"query", "query_string"}
HOW = """
Take a body with `read_body`, `read_form`, `read_raw` (inventory/kit/http.py) or `receive`
(waitroom/admin/uploads.py), a query with `read_query` (inventory/kit/http.py), and cookies with
`values_of` (inventory/kit/doors/cookies.py)."""


def test_no_handler_reads_a_body_a_query_or_a_cookie_by_itself() -> None:
    around = {
        f"{short(path)}:{node.lineno} request.{node.attr}"
        for path in files("py")
        if short(path) not in READERS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in BODY | COOKIES | QUERY
        and _is_request(node.value)
        and not _is_another(short(path))
    }

    assert around == set(), HOW


def _is_request(node: ast.expr) -> bool:
    """Say whether an expression is a request, or its address."""
    if isinstance(node, ast.Attribute) and node.attr in {"rel_url", "url"}:
        node = node.value
    return isinstance(node, ast.Name) and node.id == "request"


def _is_another(path: str) -> bool:
    # A trigger looks at a value that is called request, and is none of aiohttp's.
    return path == "waitroom/gate/trigger.py"
