"""A million forged tokens, and rubbish at the running program: none accepted, no fault, no hang.

    python tools/fuzz.py --tokens 1000000 --requests 20000 --seconds 600 --seed 1

Forgeries go to the functions that verify tokens, in this process. A share of them, and requests
with rubbish in their heads, paths, queries and bodies, go over HTTP to the real program, which has
engines of its own. Requests are written byte by byte, since a client would put them right. Each
comes from an address of its own, so that limits by address hide nothing. The same seed makes the
same requests. The run ends with the counts, and with status 1 if anything was accepted, failed or
hung, or if the books do not add up afterwards.
"""

import asyncio
import json
import random
import re
import secrets as chance
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import UUID

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parent)]

import aiohttp
import click
from chaos.stage import stage
from forgeries import SIGNS, Kind, forge, kinds, try_forgeries
from programs import all_know
from support import KEY, PASSWORD, Shopper, open_room, secrets, settings

from waitroom.admin.accounts.keys import NewKey
from waitroom.run.app import open_service, undriven_app
from waitroom.run.service import Service
from waitroom.run.settings import Settings

PIECE = 10_000
# Some wait for the rest of a body until the program has waited long enough.
AT_ONCE = 64
# An answer that takes longer is a hang.
PATIENCE_S = 20.0
SHOWN_MAX = 20
FAULTS = ("request_failed", "connection_failed", "Traceback")
ORDER = UUID(int=1)
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as bytes. A `token` in it is forged, and must open nothing."""

    raw: bytes
    token: str = ""


@dataclass(slots=True, kw_only=True)
class Answers:
    """The answer to one request."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def request(
    dice: random.Random, method: str, path: str, headers: Sequence[str] = (), body: bytes = b""
) -> bytes:
    """Write a request from an address of its own; what no latin-1 has is sent as UTF-8."""
    address = ".".join(str(dice.randrange(1, 255)) for _ in range(4))
    lines = [f"{method} {path} HTTP/1.1", "Host: shop", f"X-Forwarded-For: {address}", *headers]
    if body and not any(line.lower().startswith("content-length") for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return head.encode("utf-8", "surrogateescape") + body


def _bearer(method: str, path: str) -> Callable[[random.Random, str], bytes]:
    return lambda dice, text: request(dice, method, path, [f"Authorization: Bearer {text}"])


def _cookie(name: str, path: str) -> Callable[[random.Random, str], bytes]:
    return lambda dice, text: request(dice, "GET", path, [f"Cookie: {name}={text}"])


def _query(path: str) -> Callable[[random.Random, str], bytes]:
    return lambda dice, text: request(
        dice, "GET", path + quote(text, safe="", errors="surrogateescape")
    )


def _json(path: str, name: str) -> Callable[[random.Random, str], bytes]:
    headers = ["Content-Type: application/json"]
    return lambda dice, text: request(
        dice, "POST", path, headers, json.dumps({name: text}).encode()
    )


# The routes at which a token of each kind would open something.
DOORS = {
    "ticket": [
        _bearer("GET", "/rooms/drop/tickets/me"), _bearer("POST", "/rooms/drop/claims"),
        _bearer("DELETE", "/rooms/drop/tickets/me"),
        _cookie("waitroom_ticket_drop", "/rooms/drop/mail"),
    ],
    "session": [
        _bearer("GET", "/checkout/session"), _bearer("DELETE", "/checkout/session"),
        _cookie("waitroom_session_drop", "/checkout/orders"),
        _cookie("waitroom_session_drop", "/check/drop"),
    ],
    "invitation": [_json("/rooms/drop/tickets", "invitation")],
    "pass": [_cookie("waitroom_pass", "/check/drop"), _bearer("GET", "/check/drop")],
    "hand-over": [_query("/arrive/drop?waitroom_token="), _query("/arrive/drop?token=")],
    "link of an order": [
        _query(f"/checkout/orders/{ORDER}?key="), _query(f"/checkout/orders/{ORDER}/receipt?key="),
    ],
    "operator's cookie": [_cookie("waitroom_operator", "/admin/rooms")],
    "API key": [_bearer("GET", "/admin/rooms"), _bearer("POST", "/admin/rooms/drop/pause")],
    "move code": [_json("/rooms/drop/move", "code")],
    "link in a mail": [_query("/rooms/drop/mailed/stop?key=")],
}  # fmt: skip


def forged_requests(
    dice: random.Random, *, count: int, genuine: dict[str, tuple[str, ...]]
) -> list[Asked]:
    """Return requests with forged tokens at the doors that such tokens open."""
    every = [text for texts in genuine.values() for text in texts]
    found = []
    while len(found) < count:
        kind = dice.choice(list(genuine))
        text = forge(dice, genuine[kind], every)
        # A line break would begin another header and a semicolon another cookie; spaces and quotes
        # around a value are no part of it, and nothing at all is no token.
        bare = text.strip(' \t"')
        if bare and bare not in genuine[kind] and not set("\r\n\0;") & set(text):
            found.append(Asked(raw=dice.choice(DOORS[kind])(dice, text), token=f"{kind} {text!r}"))
    return found


VALUES = (
    "drop", "mug", "1", "0", "-1", "9" * 40, "%00", "%ff%fe", "..", "%2e%2e%2f", "a" * 300, "'--",
    "\u00e9", "%F0%9F%8E%88", "00000000-0000-4000-8000-000000000000", "*", "%", "~", "%c0%ae", "[",
)  # fmt: skip
NAMES = (
    "limit", "cursor", "after", "before", "from", "to", "at", "q", "room", "sku", "key", "state",
    "status", "order", "only", "format", "invitation", "token", "still", "version", "mode",
)  # fmt: skip
HEADERS = (
    "Cookie", "Origin", "Referer", "Accept", "Accept-Language", "Accept-Encoding", "Range",
    "If-None-Match", "Idempotency-Key", "Content-Type", "Content-Encoding", "Authorization",
    "X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri",
    "X-Original-URI", "X-Forwarded-Method", "Sec-Fetch-Site", "Transfer-Encoding", "Expect",
    "Upgrade", "Content-Length", "User-Agent", "api-key", "Stripe-Signature",
)  # fmt: skip
SAID = (
    "", "gzip", "chunked", "identity", "100-continue", "text/html", "application/json", "*/*;q=x",
    "application/x-www-form-urlencoded; charset=klingon", "multipart/form-data; boundary=x", "br",
    "http://[", "null", "same-origin", "cross-site", "bytes=9-1", 'W/"', "for=[::1", "unknown",
    "waitroom_session_drop=%00; =; ;;", "a" * 200, "Bearer", "bearer x", "de;q=NaN,*", "1, 2", "-1",
    "websocket", "\x7f", "\t", "\u00ff\u0131", "\udcff\udcfe", "GET", "PROPFIND", "%0d%0aX: y",
)  # fmt: skip
BODIES = (
    b"", b"{", b"null", b"[]", b"\xff\xfe\0", b'"text"', b"[" * 3000, b'{"a":' * 500, b"a=b&c=%ff",
    b'{"items": [{"sku": "mug", "quantity": 1e400}]}', b'{"code": "\\ud800"}', b"sku\nmug\n",
    b'{"items": [{"sku": "m\\u0000g", "quantity": 1}]}', b"--x\r\nContent-Disposition: a\r\n\r\n",
    b'{"seats_max": -1}', b'{"opens_at": "9999-12-31T23:59:59-05:00"}', b"5\r\nhello\r\n0\r\n\r\n",
    b'{"sku": "mug"}', b'{"hold_id": "x", "payment": {"token": "tok_approve"}}', b"\x1f\x8b\0",
)  # fmt: skip
METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PROPFIND",
    "get",
    "G\u00cbT",
)
# These go on by themselves.
STREAMS = re.compile(r".*/stream\Z")


def rubbish(dice: random.Random, *, routes: Sequence[tuple[str, str]], own: Sequence[str]) -> Asked:
    """Return a request that is wrong in some ways; `own` are lines that let it in."""
    method, path = dice.choice(routes)
    path = re.sub(r"\{\w+\}", lambda _: dice.choice(VALUES), path)
    query = "&".join(
        f"{dice.choice(NAMES)}={dice.choice(VALUES)}" for _ in range(dice.randrange(4))
    )
    headers = [f"{dice.choice(HEADERS)}: {dice.choice(SAID)}" for _ in range(dice.randrange(4))]
    if dice.random() < 0.5:
        headers.append(dice.choice(own))
    if dice.random() < 0.7:
        headers += ["Content-Type: application/json", f"Idempotency-Key: {dice.getrandbits(64):x}"]
    raw = request(
        dice,
        method if dice.random() < 0.9 else dice.choice(METHODS),
        f"{path}?{query}" if query else path,
        headers,
        dice.choice(BODIES) if method != "GET" else b"",
    )
    if dice.random() < 0.1:
        at = dice.randrange(len(raw))
        raw = raw[:at] + dice.choice(SIGNS).encode("utf-8", "surrogateescape") + raw[at + 1 :]
    return Asked(raw=raw)


async def ask(url: str, asked: Asked, answers: Answers) -> None:
    """Send one request and judge its answer."""
    parts = urlsplit(url)
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(asked.raw)
            head = await reader.read(2**16)
            while head.startswith(GO_ON):
                head = head[len(GO_ON) :] or await reader.read(2**16)
    except TimeoutError:
        answers.wrong.append(f"hung: {asked.raw[:300]!r}")
        return
    except ConnectionError:
        head = b""
    finally:
        if writer is not None:
            writer.close()
    status = head[9:12].decode("ascii", "replace") if head else "none"
    answers.statuses[status] += 1
    if status.startswith("5") and status != "503":
        answers.wrong.append(f"{status}: {asked.raw[:300]!r}")
    opened = status.startswith("2") or (status == "303" and b"waitroom_session" in head)
    if asked.token and opened:
        answers.wrong.append(f"accepted: {asked.token} by {asked.raw[:300]!r}")


async def ask_all(url: str, every: Sequence[Asked], answers: Answers, *, until: float) -> None:
    """Send requests, some at a time, until all were sent or it is time to end."""
    waiting = iter(every)

    async def one_after_another() -> None:
        for asked in waiting:
            if time.monotonic() > until:
                return
            await ask(url, asked, answers)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


async def served_routes() -> list[tuple[str, str]]:
    app = await undriven_app(Settings())
    return sorted(
        (route.method.replace("*", "GET"), resource.canonical)
        for resource in app.router.resources()
        for route in resource
        if route.method != "HEAD" and not STREAMS.fullmatch(resource.canonical)
    )


async def credentials(service: Service, url: str) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return genuine tokens of every kind, and lines of headers that let requests in."""
    await service.operators.add("ada", role="admin", password=PASSWORD)
    operator = await service.operators.sign_in("ada", PASSWORD)
    made = NewKey(name="fuzz", scopes=("steer", "figures"))
    key = await service.keys.add(made, maker=None, now=datetime.now(UTC))
    async with aiohttp.ClientSession(url) as client:
        shopper, waiting = Shopper(client), Shopper(client)  # type: ignore[arg-type]
        for one in (shopper, waiting):
            await one.join()
        await shopper.claim()
    signed: list[Kind] = kinds([bytes.fromhex(KEY)])
    genuine = {kind.name: kind.genuine for kind in signed if kind.name in DOORS}
    genuine["ticket"] = (*genuine["ticket"], shopper.ticket, waiting.ticket)
    genuine["session"] = (*genuine["session"], shopper.session)
    genuine["operator's cookie"] = (operator, chance.token_urlsafe(32))
    genuine["API key"] = (key, f"wrk_{chance.token_urlsafe(32)}")
    genuine["move code"] = ("ABCDE-FGHJK", "2345678923")
    genuine["link in a mail"] = genuine["invitation"]
    return genuine, [
        f"Cookie: waitroom_operator={operator}",
        f"Authorization: Bearer {waiting.ticket}",
        f"Authorization: Bearer {shopper.session}",
        f"Authorization: Bearer {key}",
    ]


async def attack(
    url: str, service: Service, *, count: int, seed: int, until: float = float("inf")
) -> Answers:
    """Send forged tokens and rubbish, half of each, and check the books."""
    answers, dice = Answers(), random.Random(seed)
    await open_room(service, skus={"mug": 100}, policy="rate")
    await all_know(url)
    genuine, own = await credentials(service, url)
    asked = forged_requests(dice, count=count // 2, genuine=genuine)
    routes = await served_routes()
    asked += [rubbish(dice, routes=routes, own=own) for _ in range(count - len(asked))]
    await ask_all(url, asked, answers, until=until)
    answers.wrong += [f"books: {breach}" for breach in await service.ledger.breaches()]
    return answers


async def attack_the_program(*, count: int, seed: int, until: float) -> list[str]:
    """Start the real program, attack it, say what it answered, and return what went wrong."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        environment = {"WAITROOM_WORKERS": "2", "WAITROOM_TRUSTED_PROXIES": "127.0.0.1"}
        async with stage(Path(folder), durable=False, **environment) as running:
            made = settings(running.database.url, running.valkey_url)
            async with open_service(made, secrets(), roles=frozenset()) as service:
                url = running.program.url
                answers = await attack(url, service, count=count, seed=seed, until=until)
            log = running.program.log.read_text(errors="replace").split("\n")
    sent = answers.statuses.total()
    click.echo(f"requests: {sent:,} of {count:,}; {dict(sorted(answers.statuses.items()))}")
    faults = [
        f"log: {line!r}"
        for line in log
        if any(name in line for name in FAULTS) or not line.isprintable()
    ]
    return answers.wrong + faults


def forge_tokens(*, count: int, seed: int, until: float) -> list[str]:
    """Hold forgeries against their verifiers, say how many, and return what went wrong."""
    among, tried, wrong = kinds(), Counter[str](), list[str]()
    for piece in range(0, count, PIECE):
        if time.monotonic() > until:
            break
        tally = try_forgeries(count=min(PIECE, count - piece), seed=seed + piece, among=among)
        tried += tally.tried
        wrong += [f"accepted: {text}" for text in tally.accepted]
        wrong += [f"broken: {text}" for text in tally.broken]
    click.echo(f"tokens: {tried.total():,} of {count:,}; {dict(sorted(tried.items()))}")
    return wrong


@click.command()
@click.option("--tokens", default=1_000_000, show_default=True)
@click.option("--requests", default=20_000, show_default=True)
@click.option("--seconds", default=600.0, show_default=True, help="The bound of the whole run.")
@click.option("--seed", default=1, show_default=True)
def main(tokens: int, requests: int, seconds: float, seed: int) -> None:
    """Try forged tokens and rubbish at what verifies and serves."""
    began = time.monotonic()
    wrong = forge_tokens(count=tokens, seed=seed, until=began + seconds / 2)

    if requests:
        until = began + seconds
        wrong += asyncio.run(attack_the_program(count=requests, seed=seed, until=until))
    for line in wrong[:SHOWN_MAX]:
        click.echo(line, err=True)
    click.echo(f"accepted, failed or hung: {len(wrong)}; {time.monotonic() - began:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
