"""A proxy that serves the program below a path of another site, and notes what asks beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

_NOT_PASSED_ON = {"connection", "content-encoding", "content-length", "host", "transfer-encoding"}


@dataclass(slots=True)
class Mounted:
    """The proxy: `url` is where browsers find the program, which itself listens at `program`.

    `strays` are paths that were asked beside it.
    """

    url: str = ""
    program: str = ""
    strays: list[str] = field(default_factory=list)


@asynccontextmanager
async def mounted(prefix: str) -> AsyncIterator[Mounted]:
    """Serve a program at `prefix`, and take that path off what is passed on."""
    told = Mounted()
    async with aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            path = request.raw_path
            if not path.startswith(f"{prefix}/"):
                told.strays.append(path)
                raise web.HTTPNotFound
            headers = CIMultiDict(request.headers)
            headers["X-Forwarded-For"] = "203.0.113.7"
            async with http.request(
                request.method,
                told.program + path.removeprefix(prefix),
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                kept = CIMultiDict(
                    (name, value)
                    for name, value in answer.headers.items()
                    if name.lower() not in _NOT_PASSED_ON - {"content-encoding"}
                )
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response

        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        told.url = f"http://{host}:{port}{prefix}"
        yield told
        await runner.cleanup()
