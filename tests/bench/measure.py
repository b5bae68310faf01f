"""Slices of time: each kind between two bare slices, the order turned round in each round."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from client import Crowd, Slice, percentiles_ms
from kinds import SESSIONS, Kind, Requests
from processes import CpuClock, Running
from sale import SKU, Sale
from server import Sample
from submitters import Done, Wish

ANSWER_WAIT_S = 60.0
# The answer itself carries these; the bare handler's response makes its own.
_MADE_AFRESH = {"date", "content-length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One slice: its rate, its bare neighbours' mean rate, latencies, CPU by part."""

    per_second: float
    bare_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median and quartiles."""

    low: float
    median: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    if len(values) < 2:
        return Spread(low=values[0], median=values[0], high=values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low=low, median=median, high=high)


@dataclass(kw_only=True)
class Bench:
    """Runs rounds of slices and keeps every reading by kind, in the order of the rounds."""

    running: Running
    sale: Sale
    crowd: Crowd
    requests: Requests
    slice_s: float
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    _likes: dict[str, bytes] = field(default_factory=dict)

    async def take_samples(self, groups: Sequence[Sequence[Kind]]) -> None:
        """Ask each kind once, so that the bare handlers can repeat the answer."""
        for kind in (kind for group in groups for kind in group if kind.prepare):
            assert kind.prepare is not None
            request = next(await kind.prepare(0.01))
            status, head, body = await self.crowd.ask(request)
            assert status == kind.status, (kind.name, status, body)
            if kind.bare == kind.name:
                self._likes[kind.name] = request
                sample = Sample(status=status, headers=_headers(head), body=body)
                path = self.running.samples / f"{kind.name}.json"
                path.write_bytes(msgspec.json.encode(sample))

    async def run_round(
        self, groups: Sequence[Sequence[Kind]], *, reverse: bool, done: Callable[[], None]
    ) -> None:
        step = -1 if reverse else 1
        for group in groups[::step]:
            before = await self._bare(group[0])
            for kind in group[::step]:
                reading = await self._measure(kind)
                after = await self._bare(kind)
                mean = (before + after) / 2
                self._keep(kind, replace(reading, bare_per_second=mean))
                before = after
                done()

    def _keep(self, kind: Kind, reading: Reading) -> None:
        self.readings.setdefault(kind.name, []).append(reading)

    async def _bare(self, kind: Kind) -> float:
        requests = self.requests.bare(kind.bare, self._likes[kind.bare])
        clock = CpuClock(self.running.pids)
        part = await self.crowd.run(
            requests, status=200 if kind.bare == "state" else 201, seconds=self.slice_s
        )
        reading = _reading(part, clock)
        self.readings.setdefault(f"bare_{kind.bare}", []).append(reading)
        return reading.per_second

    async def _measure(self, kind: Kind) -> Reading:
        if kind.submitters:
            return await self._in_process(kind)
        assert kind.prepare is not None
        requests = await kind.prepare(self.slice_s)
        clock = CpuClock(self.running.pids)
        part = await self.crowd.run(requests, status=kind.status, seconds=self.slice_s)
        return _reading(part, clock)

    async def _in_process(self, kind: Kind) -> Reading:
        process = self.running.submitters
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        sessions = await self.sale.admit(int(SESSIONS * self.slice_s))
        wish = Wish(
            submitters=kind.submitters,
            seconds=self.slice_s,
            sku=SKU,
            first_session=sessions.start,
            sessions=len(sessions),
        )
        clock = CpuClock(self.running.pids)
        process.stdin.write(msgspec.json.encode(wish) + b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), ANSWER_WAIT_S)
        done = msgspec.json.decode(line, type=Done)
        return Reading(
            per_second=done.placed / self.slice_s,
            bare_per_second=0.0,
            p50_ms=done.p50_ms,
            p99_ms=done.p99_ms,
            cpu_us=_each(clock, done.placed + done.late),
        )


def _reading(part: Slice, clock: CpuClock) -> Reading:
    p50_ms, p99_ms = percentiles_ms(part.latencies)
    return Reading(
        per_second=part.per_second,
        bare_per_second=0.0,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        cpu_us=_each(clock, part.answered),
    )


def _each(clock: CpuClock, requests: int) -> dict[str, float]:
    return {part: us / max(requests, 1) for part, us in clock.lap_us().items()}


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.split(": ", 1) for line in lines if line)
    return {name: value for name, value in pairs if name.lower() not in _MADE_AFRESH}


def share(readings: Sequence[Reading]) -> Spread:
    """Return the ratios of a kind's slices to their bare neighbours."""
    return spread([reading.per_second / reading.bare_per_second for reading in readings])


def against(readings: Sequence[Reading], yardstick: Sequence[Reading]) -> Spread:
    """Return the ratios of two kinds, slice by slice, of the same rounds."""
    pairs = zip(readings, yardstick, strict=True)
    return spread([one.per_second / other.per_second for one, other in pairs])
