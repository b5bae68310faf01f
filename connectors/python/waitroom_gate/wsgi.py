"""A gate in front of a WSGI application: Django, Flask, Pyramid, Bottle."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from waitroom_gate.gate import Gate, Headers, Request


class WsgiGate:
    def __init__(self, app: Callable[..., Iterable[bytes]], gate: Gate) -> None:
        self._app, self._gate = app, gate

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = _request_of(environ)
        verdict = self._gate.check(request)
        if verdict.status:
            line = f"{verdict.status} {HTTPStatus(verdict.status).phrase}"
            start_response(line, [*verdict.headers, ("Content-Length", str(len(verdict.body)))])
            return [b"" if request.method == "HEAD" else verdict.body]

        def started(status: str, headers: Headers, *failed: Any) -> Any:
            return start_response(status, self._gate.answered(verdict, headers), *failed)

        return self._app(environ, started)


def _request_of(environ: dict[str, Any]) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    # Some servers pass a path without its slash on, and some applications add it.
    path = path if path.startswith("/") else f"/{path}"
    query = environ.get("QUERY_STRING", "")
    host = headers.get("host") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    # WSGI decodes the path as Latin-1, so this gives the bytes that the browser sent.
    sent = quote(path, safe="/%:@!$&'()*+,;=~", encoding="latin-1")
    url = f"{environ['wsgi.url_scheme']}://{host}{sent}{'?' if query else ''}{query}"
    return Request(method=environ["REQUEST_METHOD"], url=url, headers=headers)
