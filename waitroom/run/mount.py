"""The service below a path of another site: `public_url` with a path, such as /queue.

A proxy takes the path off before it passes a request on, so routes, templates and redirects name
paths as if the service stood at the root of its host. On the way out this middleware puts the path
in front of each one that a browser or a program follows: links and forms of pages, redirects, the
paths of cookies, and the `…_url` members of JSON. Scripts find the path by their own address
(`static/js/api.js`).

What comes back to the service by name stays as it is: a product's picture is `/pictures/…`
everywhere.
"""

import re
from http.cookies import Morsel

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

# Texts of people are escaped, in pages and in JSON, so no text looks like one of these.
_LINK = re.compile(rb'( (?:href|src|action|formaction)=")(/(?!/)[^"]*)')
_MEMBER = re.compile(rb'("(?:\w*_url|url)":")(/(?!/)[^"\\]*)')
_PATH = re.compile(r"(; Path=)(/[^;]+)", re.IGNORECASE)
_JSON = ("application/json", "application/problem+json")


class Mount:
    """Puts `prefix`, a path without a slash at its end, in front of paths of the service."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def middleware(self) -> Middleware:
        @web.middleware
        async def mounted(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                self.put_before(answer)
                raise
            self.put_before(response)
            return response

        return mounted

    def below(self, path: str) -> str:
        """Return where browsers find a path of the service; the address of another site stays."""
        is_ours = path.startswith("/") and not path.startswith("//")
        return self._prefix + path if is_ours and not self._is_below(path) else path

    def _is_below(self, path: str) -> bool:
        return path == self._prefix or path.startswith((f"{self._prefix}/", f"{self._prefix}?"))

    def put_before(self, response: web.StreamResponse) -> None:
        """Put the path in front of everything in an answer that leads to the service."""
        headers = response.headers
        if "Location" in headers:
            headers["Location"] = self.below(headers["Location"])
        if "Set-Cookie" in headers:
            lines = headers.popall("Set-Cookie")
            for line in lines:
                headers.add("Set-Cookie", _PATH.sub(lambda m: m[1] + self.below(m[2]), line))
        for cookie in response.cookies.values():
            self._put_cookie(cookie)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            kind = headers.get("Content-Type", "").partition(";")[0]
            if kind == "text/html":
                response.body = self._rewritten(_LINK, response.body)
            elif kind in _JSON and b'url":"/' in response.body:
                response.body = self._rewritten(_MEMBER, response.body)

    def _put_cookie(self, cookie: "Morsel[str]") -> None:
        # A cookie with the prefix `__Host-` has to be one of the whole host.
        if len(cookie["path"]) > 1:
            cookie["path"] = self.below(cookie["path"])

    def _rewritten(self, form: re.Pattern[bytes], body: bytes) -> bytes:
        def put(found: re.Match[bytes]) -> bytes:
            return found[1] + self.below(found[2].decode()).encode()

        return form.sub(put, body)
