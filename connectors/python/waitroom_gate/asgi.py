"""A gate in front of an ASGI application: Starlette, FastAPI, Django, Quart, Litestar."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

from waitroom_gate.gate import Gate, Headers, Request, Verdict

POLICY_VIOLATION = 1008


class AsgiGate:
    def __init__(self, app: Callable[..., Awaitable[None]], gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request = _request_of(scope)
        verdict = await checked(self._gate, request)
        if not verdict.status:
            await self._app(scope, receive, self._answering(verdict, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            size = ("Content-Length", str(len(verdict.body)))
            headers = _raw([*verdict.headers, size])
            start = {"type": "http.response.start", "status": verdict.status, "headers": headers}
            await send(start)
            body = b"" if request.method == "HEAD" else verdict.body
            await send({"type": "http.response.body", "body": body})

    def _answering(self, verdict: Verdict, send: Any) -> Any:
        async def sent(message: dict[str, Any]) -> None:
            if message["type"] in {"http.response.start", "websocket.accept"}:
                told = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in _headers_in(message)]
                message = {**message, "headers": _raw(self._gate.answered(verdict, told))}
            await send(message)

        return sent


async def checked(gate: Gate, request: Request) -> Verdict:
    """Decide in the loop, or in a thread where that takes an answer of the room."""
    verdict = gate.check_at_once(request)
    return await asyncio.to_thread(gate.check, request) if verdict is None else verdict


def _headers_in(message: dict[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    return message.get("headers") or ()


def _raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _request_of(scope: Any) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        between = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    host = headers.get("host") or ":".join(map(str, scope.get("server") or ("localhost", 80)))
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    path = path if path.startswith("/") else f"/{path}"
    query = scope.get("query_string", b"").decode("latin-1")
    url = f"{scheme}://{host}{path}{'?' if query else ''}{query}"
    return Request(method=scope.get("method", "GET"), url=url, headers=headers)
