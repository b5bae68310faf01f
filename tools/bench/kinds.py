"""The kinds of requests that are measured, and the bytes of each."""

import itertools
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

from sale import SHOP, SKU, Sale

# More than any slice has used yet; what is left over of claims serves the next one.
CLAIMS_PER_S = 30_000
JOINS_PER_S = 20_000
# A few holds for each session of a slice, as shoppers have.
SESSIONS = 10_000
# So the fastest kind asks less than once a second from each.
ADDRESSES = 16_384

HOLDS = b"/checkout/holds"
FOR_UPDATE = b"/bench/for-update"
FOR_UPDATE_LEAN = b"/bench/for-update-lean"
ONE_STATEMENT = b"/bench/one-statement"

_ADDRESS = re.compile(rb"X-Forwarded-For: [0-9.]+\r\n")

Prepare = Callable[[float], Awaitable[Iterator[bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request. `prepare` prepares a slice of a given length in seconds.

    `bare` names the sample that its bare slices answer with. Kinds in process have a number of
    submitters and send no requests.
    """

    name: str
    bare: str
    status: int = 201
    prepare: Prepare | None = None
    submitters: int = 0


def basket(*skus: str) -> bytes:
    """Return the body that asks for one unit of each SKU."""
    items = b",".join(b'{"sku":"%s","quantity":1}' % sku.encode() for sku in skus)
    return b'{"items":[%s]}' % items


class Requests:
    """Makes requests for one host out of what the sale has prepared."""

    def __init__(self, sale: Sale, *, host: str, port: int) -> None:
        self._sale = sale
        self._host = f"Host: {host}:{port}\r\nAccept: application/json\r\n".encode()
        # Shoppers come from many addresses, which a proxy names. One alone would soon be refused.
        self._from = itertools.cycle(
            [b"X-Forwarded-For: 198.18.%d.%d\r\n" % divmod(n, 256) for n in range(ADDRESSES)]
        )
        # Every key of a run is fresh, in whichever kind.
        self._keys = itertools.count(1)

    def kinds(self) -> list[list[Kind]]:
        """Return the kinds in groups whose slices share their bare neighbours."""
        held = self.holds
        return [
            [
                Kind(name="state", bare="state", status=200, prepare=self.states("short")),
                Kind(name="state_1m", bare="state", status=200, prepare=self.states("long")),
            ],
            [Kind(name="check", bare="check", status=204, prepare=self.checks)],
            [Kind(name="join", bare="join", prepare=self.joins_in("join"))],
            [Kind(name="claim", bare="claim", prepare=self.claims)],
            [
                Kind(name="hold_http", bare="hold_http", prepare=held(HOLDS)),
                Kind(name="for_update", bare="hold_http", prepare=held(FOR_UPDATE)),
                Kind(name="hold_inprocess", bare="hold_http", submitters=256),
                Kind(name="hold_inprocess_64", bare="hold_http", submitters=64),
            ],
        ]

    def bare(self, kind: str, like: bytes) -> Iterator[bytes]:
        """Return requests for the bare handler, else the same as a real one.

        They come from as many addresses as real ones: one alone would soon be refused.
        """
        method, _, rest = like.split(b" ", 2)
        before, after = _ADDRESS.split(rest)
        start = b"%s /bench/bare/%s %s" % (method, kind.encode(), before)
        shoppers = itertools.islice(self._from, ADDRESSES)
        return itertools.cycle([b"%s%s%s" % (start, address, after) for address in shoppers])

    def states(self, room: str) -> Prepare:
        path = f"/rooms/{room}/state".encode()
        start = b"GET %s HTTP/1.1\r\n%s" % (path, self._host)
        shoppers = itertools.islice(self._from, ADDRESSES)
        # One slice goes on where the one before it ended, so that short ones reach every address.
        polls = itertools.cycle([b"%s%s\r\n" % (start, address) for address in shoppers])

        async def prepare(_: float) -> Iterator[bytes]:
            return polls

        return prepare

    def joins_in(self, room: str) -> Prepare:
        before = self._post(f"/rooms/{room}/tickets".encode()) + b"Content-Length: 0\r\n"

        async def prepare(seconds: float) -> Iterator[bytes]:
            # To draw a key takes as long as a tenth of a bare request, so all are drawn beforehand.
            keys = (str(uuid4()).encode() for _ in range(int(JOINS_PER_S * seconds)))
            asked = zip(self._from, keys, strict=False)
            return iter([b"%s%sIdempotency-Key: %s\r\n\r\n" % (before, *one) for one in asked])

        return prepare

    def pages(self, room: str) -> Prepare:
        """Return what browsers that are new here send for the waiting page."""
        host = self._host.replace(b"application/json", b"text/html")
        start = b"GET /rooms/%s HTTP/1.1\r\n%s" % (room.encode(), host)

        async def prepare(_: float) -> Iterator[bytes]:
            return (b"%s%s\r\n" % (start, address) for address in self._from)

        return prepare

    async def claims(self, seconds: float) -> Iterator[bytes]:
        before = self._post(b"/rooms/claim/claims")
        before += b"Content-Length: 0\r\n"
        tickets = await self._sale.call(int(CLAIMS_PER_S * seconds))
        shoppers = zip(self._from, tickets, strict=False)
        return iter([b"%s%sAuthorization: Bearer %s\r\n\r\n" % (before, *one) for one in shoppers])

    async def checks(self, seconds: float) -> Iterator[bytes]:
        """Return what a proxy asks for shoppers with a session, each in turn."""
        start = b"GET /check/%s HTTP/1.1\r\n%s" % (SHOP.encode(), self._host)
        start += b"X-Forwarded-Uri: /checkout\r\n"
        sessions = await self._sale.admit(max(int(SESSIONS * seconds) // 10, 1))
        shoppers = zip(self._from, map(self._sale.session, sessions), strict=False)
        return itertools.cycle(
            [b"%s%sAuthorization: Bearer %s\r\n\r\n" % (start, *one) for one in shoppers]
        )

    def holds(self, path: bytes, baskets: Sequence[bytes] = (basket(SKU),)) -> Prepare:
        """Return what places holds of these baskets by turns, each in the next session."""
        tails = [b"\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body) for body in baskets]

        async def prepare(seconds: float) -> Iterator[bytes]:
            sessions = await self._sale.admit(int(SESSIONS * seconds))
            start = self._post(path) + b"Content-Type: application/json\r\n"
            shoppers = zip(self._from, map(self._sale.session, sessions), strict=False)
            heads = [
                b"%s%sAuthorization: Bearer %s\r\nIdempotency-Key: " % (start, *one)
                for one in shoppers
            ]
            turns = zip(itertools.cycle(heads), self._keys, itertools.cycle(tails))
            return (b"%s%016x%s" % turn for turn in turns)

        return prepare

    def _post(self, path: bytes) -> bytes:
        return b"POST %s HTTP/1.1\r\n%s" % (path, self._host)
