"""Posting to endpoints: to vetted addresses only, with bounds on time and on the answer's size."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from waitroom.outgoing.outbox.address import check_url, is_public
from waitroom.outgoing.outbox.attempt import Answer
from waitroom.refusals import AddressRefused

# The whole of a request, less than its lease allows, so that it ends with a sentence.
REQUEST_S = 20.0
CONNECT_S = 10.0
RESOLVE_S = 5.0
# An answer counts by its status. Its body is only for people to look at, so it gets little time.
BODY_S = 3.0
# Receivers commonly keep an idle connection for longer, so none is used that was just closed.
KEEPALIVE_S = 3.0
# This much of an answer is read, and its beginning kept for people to look at.
ANSWER_BYTES_MAX = 4096
ANSWER_KEPT_MAX = 500
# Names are looked up in threads of their own, since a hanging resolver holds a thread for long.
RESOLVER_THREADS = 16

USER_AGENT = "waitroom-webhooks"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


class PrivateAddress(OSError):
    """The name of an endpoint led to an address that is not public."""


# Narrower errors stand before wider ones.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (PrivateAddress, "Refused: the name leads to an address that is not public."),
    (aiohttp.ClientSSLError, "TLS could not be agreed on; look at the receiver's certificate."),
    (socket.gaierror, "The name could not be resolved."),
    (TimeoutError, "No answer in time."),
    (aiohttp.ServerDisconnectedError, "The connection was closed without an answer."),
)


class _Resolver(AbstractResolver):
    """Looks names up by the system's resolver, without using up the loop's own threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="webhook-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=port,
                family=of,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for of, _, proto, _, sockaddr in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _vetted_socket(info: AddressInfo) -> socket.socket:
    """Make the socket for one address, or refuse the address.

    The connection goes to this very address, however it was found, so no other answer of a name
    server can come between the check and the connection.
    """
    family, kind, proto, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddress("the name leads to an address that is not public")
    return socket.socket(family, kind, proto)


class WebhookClient:
    """Posts webhooks over one session; `open_client` makes it."""

    def __init__(self, session: aiohttp.ClientSession, *, allow_private: bool) -> None:
        self._session = session
        self._allow_private = allow_private

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """Post once and return the answer; a failure on the way is an answer too."""
        started = time.monotonic()
        try:
            checked = check_url(url, allow_private=self._allow_private)
            async with self._session.post(
                checked,
                data=body.encode(),
                headers={"Content-Type": "application/json", **headers},
                allow_redirects=False,
            ) as reply:
                text = await _first_bytes(reply)
                status, retry_after = reply.status, reply.headers.get("Retry-After")
        except AddressRefused as refusal:
            status, retry_after, text = None, None, refusal.detail
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            status, retry_after, text = None, None, _explain(error)
        took_ms = int((time.monotonic() - started) * 1000)
        return Answer(status=status, text=text, retry_after=retry_after, took_ms=took_ms)


@asynccontextmanager
async def open_client(*, allow_private: bool) -> AsyncIterator[WebhookClient]:
    # Proxies of the environment are not used: behind one the address could not be checked.
    # The sender bounds the connections of each endpoint, so no endpoint waits for another here.
    connector = aiohttp.TCPConnector(
        resolver=_Resolver(),
        socket_factory=None if allow_private else _vetted_socket,
        keepalive_timeout=KEEPALIVE_S,
        limit=0,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S),
        headers={"User-Agent": USER_AGENT},
        # A small answer may unpack to a huge one, so none is unpacked.
        auto_decompress=False,
        skip_auto_headers=("Accept-Encoding",),
    ) as session:
        yield WebhookClient(session, allow_private=allow_private)


async def _first_bytes(reply: aiohttp.ClientResponse) -> str:
    """Return the beginning of an answer's body, as far as it arrives.

    A body that stalls or breaks off does not undo the status. A connection with more on it is
    closed, not drained.
    """
    read, whole = b"", False
    with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
        async with asyncio.timeout(BODY_S):
            while len(read) < ANSWER_BYTES_MAX and not whole:
                part = await reply.content.read(ANSWER_BYTES_MAX)
                read, whole = read + part, not part
    if not whole:
        reply.close()
    return _CONTROL.sub(" ", read[:ANSWER_KEPT_MAX].decode("utf-8", "replace"))


def _explain(error: BaseException) -> str:
    """Say in words what went wrong, without the URL: secrets may stand in it."""
    cause = getattr(error, "os_error", None) or error
    for kind, said in _WORDS:
        if isinstance(error, kind) or isinstance(cause, kind):
            return said
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"Could not connect: {error.os_error.strerror or type(cause).__name__}."
    return f"The request failed: {type(error).__name__}."


async def vet(text: str, *, allow_private: bool) -> URL:
    """Check a URL and what its name resolves to now; raises `AddressRefused`.

    Each attempt checks again. This check tells the operator who types the URL.
    """
    url = check_url(text, allow_private=allow_private)
    assert url.raw_host is not None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(url.raw_host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise AddressRefused(f"The name {url.raw_host} cannot be resolved.") from error
    if not allow_private and not all(is_public(str(address[0])) for *_, address in found):
        raise AddressRefused(f"{url.raw_host} leads to an address that is not public.")
    return url
