"""The gate: it lets requests reach a site, or leads them to the room."""

import html
import json
import posixpath
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from waitroom_gate.passes import Claims, PassRefused, verify
from waitroom_gate.room import Ask, Room, RoomAway, RoomBusy, SessionEnded

PARAMETER, HEADER, COMMAND = "waitroom_pass", "x-waitroom-pass", "x-waitroom-command"
SAME_NAME_MAX = 8
# A pass that held for less from the beginning ends with its session.
RENEWED_FROM_S = 15

Headers = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to the site. `url` is absolute; names of headers are in small letters."""

    method: str
    url: str
    headers: Mapping[str, str]

    @property
    def by_browser(self) -> bool:
        return "text/html" in self.headers.get("accept", "")

    @property
    def only_reads(self) -> bool:
        return self.method in {"GET", "HEAD"}

    def cookies(self) -> Iterator[tuple[str, str]]:
        for part in self.headers.get("cookie", "").split(";"):
            name, _, value = part.partition("=")
            yield name.strip(), value.strip().strip('"')


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision on a request.

    The site answers if `status` is 0, and `headers` are added to its answer; otherwise this is the
    answer. `carried` is the pass that let the request in, and `forget` the header that takes it
    from the browser.
    """

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    carried: str = ""
    forget: tuple[str, str] = ("", "")


class Gate:
    """Stands between the browsers and a site.

    `waitroom` is the address of the room's service as browsers know it, `reach` another one at
    which this machine reaches it. While the service is away, `when_away` lets everybody in ("open")
    or only the bearers of a good pass ("closed"). A request is protected if its path is below one
    of `paths`, or it has one of the `cookies` or `headers`; all are if none is named. Those below
    `except_paths` never are. `site` is the site's address as browsers know it, if a proxy hides it.
    """

    def __init__(
        self,
        waitroom: str,
        *,
        room: str,
        when_away: Literal["open", "closed"],
        paths: Sequence[str] = (),
        cookies: Sequence[str] = (),
        headers: Sequence[str] = (),
        except_paths: Sequence[str] = (),
        site: str = "",
        reach: str = "",
        ask: Ask | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        if when_away not in {"open", "closed"}:
            raise ValueError('when_away is "open" or "closed"')
        for given in (paths, cookies, headers, except_paths):
            if isinstance(given, str):
                raise TypeError(f"{given!r} is one text; give a list of them")
        self.waitroom, self.when_away = waitroom.rstrip("/"), when_away
        self.room = Room(reach or waitroom, room, ask=ask, ticks=ticks)
        self._paths, self._exempt, self._cookies = tuple(paths), tuple(except_paths), set(cookies)
        self._headers = {name.lower() for name in headers}
        self._site, self._clock = site.rstrip("/"), clock

    def check(self, request: Request) -> Verdict:
        """Decide on a request, which may take an answer of the room."""
        verdict = self.check_at_once(request, may_wait=True)
        assert verdict is not None
        return verdict

    def check_at_once(self, request: Request, *, may_wait: bool = False) -> Verdict | None:
        """Decide on a request; None if it takes an answer of the room, and may not wait for it."""
        if not self._is_protected(request):
            return Verdict()
        if not self.room.is_heard(may_wait=may_wait):
            return None
        clean, handed = _without_pass(self._url(request))
        name = self._cookie_name(request)
        kept = [value for one, value in request.cookies() if one == name][:SAME_NAME_MAX]
        carried = dict.fromkeys([*handed, request.headers.get(HEADER, ""), *kept])
        refusal: PassRefused | None = None
        for text in filter(None, carried):
            try:
                good = self._good(text, may_wait=may_wait)
            except PassRefused as error:
                refusal = refusal or error
            else:
                if good is None:
                    return None
                changed = bool(handed) or good != text
                return self._let_in(request, good, changed=changed, clean=clean if handed else "")
        if refusal is None:
            refusal = PassRefused("pass_missing", "This needs a pass of the room.", status=429)
        return self._refuse(request, refusal, clean=clean, handed=bool(handed))

    def answered(self, verdict: Verdict, headers: Headers) -> Headers:
        """Return the headers of the site's answer as the browser gets them."""
        kept = [(name, value) for name, value in headers if name.lower() != COMMAND]
        commands = {value.strip().lower() for name, value in headers if name.lower() == COMMAND}
        if "release" in commands and verdict.carried:
            self.room.release(verdict.carried)
            return [*_private(kept), verdict.forget]
        return [*_private(kept), *verdict.headers] if verdict.headers else kept

    def _good(self, text: str, *, may_wait: bool) -> str | None:
        """Return a pass, or a new one in its place if little of its time is left."""
        claims, refusal = self._read(text)
        unknown = refusal is not None and refusal.code == "pass_of_unknown_key"
        if unknown and self.room.may_have_new_keys:
            if not may_wait:
                return None
            self.room.find_keys()
            claims, refusal = self._read(text)
        if refusal is not None and refusal.code != "pass_over":
            raise refusal
        if claims is not None and not self._runs_out_soon(claims):
            return text
        if not self.room.may_be_asked:
            if refusal is not None:
                raise refusal
            return text
        return self._renewed(text, refusal) if may_wait else None

    def _read(self, text: str) -> tuple[Claims | None, PassRefused | None]:
        revoked = self.room.revoked
        try:
            claims = verify(
                text,
                self.room.keys,
                issuer=self.waitroom,
                room=self.room.name,
                now=self._clock(),
                revoked=revoked,
                issued_before=revoked.issued_before,
            )
        except PassRefused as refusal:
            return None, refusal
        return claims, None

    def _runs_out_soon(self, claims: Claims) -> bool:
        holds_s = claims.exp - claims.iat
        return holds_s > RENEWED_FROM_S and claims.exp - self._clock() < holds_s / 3

    def _renewed(self, text: str, refusal: PassRefused | None) -> str:
        try:
            new = self.room.renew(text)
        except SessionEnded:
            raise PassRefused("pass_revoked", "Your session has ended.", status=429) from None
        except RoomAway as away:
            if refusal is None:
                return text
            # A crowd with old passes keeps the service busy, and opens no gate that way.
            raise (refusal if isinstance(away, RoomBusy) else _room_away()) from None
        if self._read(new)[1] is not None:
            raise PassRefused("clocks_differ", "The clock of this site is wrong.")
        return new

    def _url(self, request: Request) -> str:
        if not self._site:
            return request.url
        parts = urlsplit(request.url)
        return self._site + urlunsplit(("", "", parts.path, parts.query, ""))

    def _is_protected(self, request: Request) -> bool:
        read = _readings(urlsplit(request.url).path)
        if self._exempt and all(_is_below(one, self._exempt) for one in read):
            return False
        if not (self._paths or self._cookies or self._headers):
            return True
        return (
            any(_is_below(one, self._paths) for one in read)
            or any(name in self._cookies for name, _ in request.cookies())
            or not self._headers.isdisjoint(request.headers)
        )

    def _cookie_name(self, request: Request) -> str:
        secure = self._url(request).startswith("https:")
        return f"{'__Host-' if secure else ''}waitroom_pass_{self.room.name}"

    def _cookie(self, request: Request, value: str) -> tuple[str, str]:
        name = self._cookie_name(request)
        flags = "; Secure" if name.startswith("__Host-") else ""
        over = "" if value else "; Max-Age=0"
        return "Set-Cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{flags}{over}"

    def _let_in(self, request: Request, good: str, *, changed: bool, clean: str) -> Verdict:
        headers = [self._cookie(request, good)] if changed else []
        forget = self._cookie(request, "")
        if clean and request.only_reads:
            headers = [("Location", clean), *headers, *_PRIVATE]
            return Verdict(status=302, headers=headers, carried=good, forget=forget)
        return Verdict(headers=headers, carried=good, forget=forget)

    def _refuse(
        self, request: Request, refusal: PassRefused, *, clean: str, handed: bool
    ) -> Verdict:
        if self.room.is_away or refusal.code == "room_away":
            if self.when_away == "open":
                return Verdict()
            refusal = _room_away()
        # No browser can go back to an address that took a body, but to the page with the form.
        back = clean if request.only_reads else request.headers.get("referer", "")
        there = f"{self.waitroom}/rooms/{self.room.name}"
        if back:
            there += f"?to={quote(back, safe='')}"
        headers: Headers = [("X-Waitroom-Refusal", refusal.code), *_PRIVATE]
        if refusal.code not in {"pass_missing", "room_away"}:
            headers.append(self._cookie(request, ""))
        # A pass that just came from the room and is not good here would come back for ever.
        lost = handed and refusal.status == 403
        if request.by_browser and request.only_reads and not lost and refusal.status != 503:
            return Verdict(status=302, headers=[("Location", there), *headers])
        if refusal.status != 403:
            headers.append(("Retry-After", "10"))
        if request.by_browser:
            headers.append(("Content-Type", "text/html; charset=utf-8"))
            page = _page(refusal, there, sent_something=not request.only_reads)
            return Verdict(status=refusal.status, headers=headers, body=page.encode())
        problem = {
            "type": f"urn:waitroom:problem:{refusal.code}",
            "title": str(refusal),
            "status": refusal.status,
            "code": refusal.code,
            "room_url": there,
        }
        headers.append(("Content-Type", "application/problem+json"))
        return Verdict(status=refusal.status, headers=headers, body=json.dumps(problem).encode())


def _private(headers: Headers) -> Headers:
    """Return headers by which no shared cache keeps an answer: it has the pass of one visitor."""
    said = [value.lower() for name, value in headers if name.lower() == "cache-control"]
    if any("no-store" in value or "private" in value for value in said):
        return headers
    kept = [one for one in headers if one[0].lower() not in _CACHED]
    return [*kept, ("Cache-Control", "private, no-cache")]


# Headers by which a site tells browsers and shared caches how long an answer is good.
_CACHED = {"cache-control", "expires", "cdn-cache-control", "surrogate-control"}
_PRIVATE = [("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")]


_NOT_YET = "It is not your turn yet, or your time here is over."
_STYLE = (
    "<style>:root{color-scheme:light dark}body{font:1.125rem/1.6 system-ui,sans-serif;margin:0}"
    "main{max-width:34rem;margin:18vh auto;padding:0 1.25rem}h1{font-size:1.6rem;line-height:1.25}"
    "a{color:inherit}</style>"
)


def _room_away() -> PassRefused:
    return PassRefused("room_away", "The waiting room does not answer. Try again soon.", status=503)


def _page(refusal: PassRefused, there: str, *, sent_something: bool) -> str:
    title = "Nothing was sent" if sent_something else "You cannot enter yet"
    said = [_NOT_YET if refusal.status == 429 else str(refusal)]
    if sent_something:
        said.append(
            "What you filled in did not reach the shop. Go to the waiting room in a new tab. Once "
            "you are let in, come back here, go one page back, and send it again."
        )
    text = "".join(f"<p>{html.escape(one)}</p>" for one in said)
    if refusal.status != 503:
        link = html.escape(there)
        text += f'<p><a href="{link}" target="_blank" rel="noopener">To the waiting room</a></p>'
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{_STYLE}'
        f"<title>{title}</title><main><h1>{title}</h1>{text}</main></html>"
    )


def _readings(path: str) -> set[str]:
    """Return the paths that a server may take this one for, in small letters."""
    plain = unquote(path).replace("\\", "/").casefold()
    return {path.casefold(), posixpath.normpath("/" + plain.lstrip("/"))}


def _is_below(path: str, folders: Sequence[str]) -> bool:
    plain = (folder.rstrip("/").casefold() for folder in folders)
    return any(path == folder or path.startswith(f"{folder}/") for folder in plain)


def _without_pass(url: str) -> tuple[str, list[str]]:
    """Return an address without the passes in its query, and these."""
    parts = urlsplit(url)
    if PARAMETER not in parts.query:
        return url, []
    kept, handed = [], []
    for one in parts.query.split("&"):
        name, _, value = one.partition("=")
        if name == PARAMETER:
            handed.append(unquote(value))
        else:
            kept.append(one)
    clean = urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(kept), ""))
    return clean, handed[:SAME_NAME_MAX]
