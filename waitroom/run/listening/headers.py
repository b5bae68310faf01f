"""The headers with which every answer protects its reader, put on in one place.

aiohttp prepares each answer by itself: pages, JSON, files, redirects, refusals, answers without a
body and streams. It then tells the application, just before the first byte goes out. That is the
one moment that no answer gets around. A handler that needs another policy sets its own header
before, and keeps it.
"""

from aiohttp import web
from multidict import CIMultiDict, istr

from inventory.kit.pages import DATA_CSP, PERMISSIONS

POLICY = istr("Content-Security-Policy")
# The policy of a worker's script holds for the worker.
SCRIPT_CSP = f"{DATA_CSP}; script-src 'self'; connect-src 'self'"
HSTS = "max-age=31536000"
# aiohttp names itself and Python with their versions.
SERVER = {"Server": "waitroom"}
_SHARED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS,
}
_OWN = (POLICY, istr("Referrer-Policy"), istr("Permissions-Policy"))


class SafeHeaders:
    """Puts the headers on answers; `secure` adds HSTS, for a service that is reached by https."""

    def __init__(self, *, secure: bool) -> None:
        hsts = {"Strict-Transport-Security": HSTS} if secure else {}
        shared = _SHARED | hsts | SERVER
        self._of_data = CIMultiDict(shared | {POLICY: DATA_CSP})
        self._of_scripts = CIMultiDict(shared | {POLICY: SCRIPT_CSP})

    async def put(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Put on what the handler has not set itself."""
        self.complete(response.headers)

    def complete(self, headers: "CIMultiDict[str]") -> None:
        own = {name: headers[name] for name in _OWN if name in headers}
        is_script = headers.get("Content-Type", "").startswith("text/javascript")
        # One call for all of them: this is done for each request.
        headers.update(self._of_scripts if is_script else self._of_data)
        if own:
            headers.update(own)


SAFE_HEADERS: "web.AppKey[SafeHeaders]" = web.AppKey("safe_headers")
