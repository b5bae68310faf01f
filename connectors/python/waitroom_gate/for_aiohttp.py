"""A gate in front of an aiohttp application."""

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from waitroom_gate.asgi import checked
from waitroom_gate.gate import Gate, Request, Verdict

_VERDICT = "waitroom_verdict"


def protect(app: web.Application, gate: Gate) -> None:
    """Put a gate in front of an application, before its other middlewares."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        verdict = await checked(gate, _request_of(request))
        if verdict.status:
            headers = CIMultiDict(verdict.headers)
            return web.Response(status=verdict.status, headers=headers, body=verdict.body)
        request[_VERDICT] = verdict
        return await handler(request)

    async def prepared(request: web.Request, response: web.StreamResponse) -> None:
        # A signal sees every answer before it begins, also those that a handler streams or raises.
        verdict: Verdict | None = request.get(_VERDICT)
        if verdict is not None:
            told = gate.answered(verdict, list(response.headers.items()))
            response.headers.clear()
            for name, value in told:
                response.headers.add(name, value)

    app.middlewares.insert(0, middleware)
    app.on_response_prepare.append(prepared)


def _request_of(request: web.Request) -> Request:
    headers = {
        name.lower(): ("; " if name.lower() == "cookie" else ", ").join(
            request.headers.getall(name)
        )
        for name in request.headers
    }
    # A client may send a whole address in place of a path, and aiohttp serves its path.
    path = request.rel_url.raw_path_qs
    url = f"{request.scheme}://{request.host}{'' if path.startswith('/') else '/'}{path}"
    return Request(method=request.method, url=url, headers=headers)
