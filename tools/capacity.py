"""What a crowd takes: a model of looks, joins, machines and money, on costs that were measured.

    python tools/capacity.py                              writes the tables of docs/capacity.md
    python tools/capacity.py --waiting build/bench.json   takes the costs of single requests
    python tools/capacity.py --cached build/cached.json   takes what nginx takes for a cached look
    python tools/capacity.py --sale build/sale.json       takes a sale to hold the model against

The costs stand in docs/capacity.json. The first come from `tools/bench/run.py --only
leader,waiting`, the others from `tools/cached.py --out` and `tools/sale.py --out`. Everything else
that the model assumes is a constant here, and the page names it. A test compares the page with
the model.
"""

import argparse
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waitroom.line.wait import POLL_MAX_S, POLL_MIN_S, POLL_SHARE

DOCS = Path(__file__).parents[1] / "docs"
MEASURED, PAGE = DOCS / "capacity.json", DOCS / "capacity.md"
TABLE = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

CROWDS = (10_000, 1_000_000, 100_000_000)
# A crowd comes within ten minutes. While no pace is known, documents assume these calls a second.
ARRIVE_S, CALLS_PER_S = 600.0, 100.0
# A page looks up to a tenth sooner than it was told.
EARLIER = 0.95
# nginx asks for a room's document every other second, a CDN once a second from each of its places.
NGINX_LOOKS_PER_S, CDN_LOOKS_PER_S = 0.5, 50.0
# A worker or server that is busier than this makes shoppers wait.
BUSY_MOST = 0.6
# `worker_connections` of config/nginx.conf: a shopper keeps one.
CONNECTIONS_OF_A_PROXY = 32_768
# The crowd waits for an hour; machines stand for a month.
SALE_S = 3600.0
EUR_PER_CORE = 138.49 / 8
USD_PER_EUR = 1.1133
CDN_USD_PER_LOOK, CDN_USD_PER_GIB = 0.0075 / 10_000, 0.08
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Measured: µs of processor time for one request, bytes of answers, and memory in MiB.

    A look asks no engine, so what PostgreSQL took beside looks is `postgres_idle_cores`: ticks, and
    what workers read each second. It is not counted among what other requests took.

    `join_floor_us` is what one join takes in a large batch of `join_line`, which passes the room's
    lock alone. `row_bytes` is what a join leaves in PostgreSQL for an hour.
    """

    look_web_us: float
    join_web_us: float
    join_postgres_us: float
    page_web_us: float
    page_postgres_us: float
    postgres_idle_cores: float
    join_floor_us: float
    row_bytes: float
    look_bytes: int
    page_bytes: int
    web_mib: float
    leader_mib: float
    postgres_mib: float
    nginx_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a crowd needs: rates per second, cores, MiB, and money for a month and for an hour."""

    waiting: int
    looks_per_s: float
    looks_reaching_per_s: float
    joins_per_s: float
    web_cores: float
    postgres_cores: float
    nginx_cores: float
    memory_mib: float
    mbit_per_s: float
    first_limit: str
    machines_eur: float
    cdn_usd: float


def looks_per_s(waiting: float, calls_per_s: float) -> float:
    """Return the looks of a line of this length, as its wait table tells it to look."""
    near = min(POLL_MIN_S / POLL_SHARE * calls_per_s, waiting)
    far = min(POLL_MAX_S / POLL_SHARE * calls_per_s, waiting)
    looks = near / POLL_MIN_S + (waiting - far) / POLL_MAX_S
    if far > near > 0:
        # Between them the pause grows with the place.
        looks += calls_per_s / POLL_SHARE * math.log(far / near)
    return looks / EARLIER


def need(costs: Costs, waiting: int, cache: str) -> Need:
    """Return what a crowd needs with no cache, behind nginx, or behind a CDN."""
    looks, joins = looks_per_s(waiting, CALLS_PER_S), waiting / ARRIVE_S
    reaching = {"none": looks, "nginx": NGINX_LOOKS_PER_S, "CDN": CDN_LOOKS_PER_S}[cache]
    per_arrival = costs.page_web_us + costs.join_web_us
    web = (reaching * costs.look_web_us + joins * per_arrival) / 1e6 / BUSY_MOST
    per_arrival = costs.page_postgres_us + costs.join_postgres_us
    postgres = (costs.postgres_idle_cores + joins * per_arrival / 1e6) / BUSY_MOST
    sent = looks * costs.look_bytes if cache != "CDN" else reaching * costs.look_bytes
    nginx = looks * costs.nginx_us / 1e6 / BUSY_MOST if cache == "nginx" else 0.0
    cores = math.ceil(web) + math.ceil(postgres) + math.ceil(nginx) + 1
    return Need(
        waiting=waiting,
        looks_per_s=looks,
        looks_reaching_per_s=reaching,
        joins_per_s=joins,
        web_cores=web,
        postgres_cores=postgres,
        nginx_cores=nginx,
        memory_mib=math.ceil(web) * costs.web_mib
        + costs.leader_mib
        + costs.postgres_mib
        + waiting * costs.row_bytes / 2**20,
        mbit_per_s=(sent + joins * costs.page_bytes) * 8 / 1e6,
        first_limit=_limit(costs, joins, 0 if cache == "CDN" else waiting),
        machines_eur=cores * EUR_PER_CORE,
        cdn_usd=_cdn_usd(costs, looks) if cache == "CDN" else 0.0,
    )


def _cdn_usd(costs: Costs, looks: float) -> float:
    sent = looks * SALE_S
    return sent * CDN_USD_PER_LOOK + sent * costs.look_bytes / GIB * CDN_USD_PER_GIB


def _limit(costs: Costs, joins: float, connections: int) -> str:
    """Return what a crowd meets first that more cores do not mend."""
    if joins > 1e6 / costs.join_floor_us * BUSY_MOST:
        return "the lock of one room's line"
    if connections > CONNECTIONS_OF_A_PROXY:
        return "open connections of one proxy"
    return "none"


def costs_of(measured: dict[str, Any]) -> Costs:
    waiting = measured["waiting"]
    us, per_s, grown = waiting["request_us"], waiting["per_s"], waiting["grown_bytes"]
    idle_cores = us["state_many"]["postgres"] * per_s["state_many"] / 1e6

    def postgres_us(kind: str) -> float:
        return max(float(us[kind]["postgres"]) - idle_cores * 1e6 / per_s[kind], 0.0)

    memory = {part: found["many"] for part, found in waiting["memory_mib"].items()}
    return Costs(
        look_web_us=us["state_many"]["web"],
        join_web_us=us["join_many"]["web"],
        join_postgres_us=postgres_us("join_many"),
        page_web_us=us["page_many"]["web"],
        page_postgres_us=postgres_us("page_many"),
        postgres_idle_cores=idle_cores,
        join_floor_us=waiting["sql_join_last_us"],
        row_bytes=grown["database"] / waiting["waiting"],
        look_bytes=waiting["answer_bytes"]["state"],
        page_bytes=waiting["answer_bytes"]["page"],
        web_mib=memory["web"] / waiting["web_processes"],
        leader_mib=memory["controller"],
        postgres_mib=memory["postgres"],
        nginx_us=measured["cached"]["nginx_us"],
    )


def crowds(costs: Costs) -> str:
    """Return the table of crowds, with and without a cache."""
    head = ("waiting", "cache", "looks a second", "of which reach the service", "joins a second",
            "cores, web", "PostgreSQL", "nginx", "memory", "Mbit/s", "first limit")  # fmt: skip
    rows = []
    for waiting in CROWDS:
        for cache in ("none", "nginx", "CDN"):
            one = need(costs, waiting, cache)
            rows.append((
                f"{waiting:,}", cache, _short(one.looks_per_s), _short(one.looks_reaching_per_s),
                _short(one.joins_per_s), _short(one.web_cores), _short(one.postgres_cores),
                _short(one.nginx_cores) if cache == "nginx" else "",
                f"{one.memory_mib / 1024:,.1f} GiB", _short(one.mbit_per_s), one.first_limit,
            ))  # fmt: skip
    return table(head, rows)


def money(costs: Costs) -> str:
    """Return the table of what crowds cost a month."""
    rows = []
    for waiting in CROWDS:
        for cache in ("none", "nginx", "CDN"):
            one = need(costs, waiting, cache)
            rows.append((
                f"{waiting:,}", cache, f"{one.machines_eur:,.0f} €",
                f"{one.machines_eur / 30:,.0f} €",
                f"{one.cdn_usd / USD_PER_EUR:,.0f} €" if cache == "CDN" else "",
            ))  # fmt: skip
    head = ("waiting", "cache", "machines, a month", "machines, a day", "CDN, one sale of an hour")
    return table(head, rows)


def checks(measured: dict[str, Any]) -> str:
    """Return the table of what the model says of sales that were run, beside what was measured."""
    costs = costs_of(measured)
    rows = []
    for sale in sorted(measured["sales"], key=lambda sale: sale["shoppers"]):
        name = f"{sale['shoppers']:,} to {sale['units']:,} units"
        looks, joined = sale["looks"], sale["joined"]
        others = sale["requests"] - looks - joined
        web = (looks * costs.look_web_us + (joined + others) * costs.join_web_us) / 1e6
        postgres = costs.postgres_idle_cores * sale["seconds"]
        postgres += (joined + others) * costs.join_postgres_us / 1e6
        took = sale["costs"]
        rows += [
            (name, "looks a second, at most", _short(looks_per_s(joined, CALLS_PER_S)),
             _short(sale["looks_per_s_most"])),
            (name, "processor time, web", f"{web:,.0f} s",
             f"{took['web']['cpu_s']:,.0f} s"),
            (name, "processor time, PostgreSQL", f"{postgres:,.0f} s",
             f"{took['postgres']['cpu_s']:,.0f} s"),
        ]  # fmt: skip
    return table(("sale", "figure", "predicted", "measured"), rows)


def units(measured: dict[str, Any]) -> str:
    """Return the table of measured costs."""
    costs = costs_of(measured)
    us = measured["waiting"]["request_us"]
    per_s = measured["waiting"]["per_s"]
    rows = [
        (
            name,
            f"{us[f'{kind}_many']['web']:,.0f} µs, {us[f'{kind}_few']['web']:,.0f} µs",
            f"{us[f'{kind}_many']['postgres']:,.0f} µs, {us[f'{kind}_few']['postgres']:,.0f} µs",
            f"{per_s[f'{kind}_many']:,}, {per_s[f'{kind}_few']:,}",
            f"{measured['waiting']['answer_bytes'][kind]:,}",
        )
        for kind, name in (("state", "look"), ("join", "join"), ("page", "first page"))
    ]
    head = ("with many waiting, with few", "web", "PostgreSQL", "a second", "bytes of the answer")
    tick, cached = measured["leader"], measured["cached"]
    memory = ", ".join(
        f"{mib:.0f}"
        for mib in (
            costs.web_mib,
            costs.leader_mib,
            costs.postgres_mib,
            measured["waiting"]["memory_mib"]["valkey"]["many"],
        )
    )
    grown = (
        (
            "a look that nginx answers, over TLS",
            f"{cached['nginx_us']:.0f} µs of nginx, {cached['looks_per_s']:,.0f} a second",
        ),
        (
            "PostgreSQL beside looks, which ask nothing of it",
            f"{costs.postgres_idle_cores:.2f} cores",
        ),
        ("a join by `join_line`, 5,000 at once", f"{costs.join_floor_us:.1f} µs"),
        ("a join's row in PostgreSQL, for an hour", f"{costs.row_bytes:,.0f} bytes"),
        ("a tick of the leader, median and longest",
         f"{tick['tick_ms']['median']:.1f} and {tick['tick_longest_ms']:.1f} ms"),
        ("memory in MiB: web process, leader, PostgreSQL, Valkey", memory),
    )  # fmt: skip
    return table(head, rows) + "\n\n" + table(("", ""), grown)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float) -> str:
    """Return a number with two figures that count."""
    if value < 10:
        return f"{value:.1f}"
    digits = len(str(int(value))) - 2
    return f"{round(value, -digits):,.0f}"


def page(text: str, measured: dict[str, Any]) -> str:
    """Return the page with its tables as the model has them."""
    costs = costs_of(measured)
    made = {
        "units": units(measured),
        "checks": checks(measured),
        "crowds": crowds(costs),
        "money": money(costs),
    }
    return TABLE.sub(
        lambda found: f"<!-- table: {found[1]} -->\n{made[found[1]]}\n<!-- end -->", text
    )


def take(
    measured: dict[str, Any],
    *,
    waiting: Path | None = None,
    cached: Path | None = None,
    sales: Sequence[Path] = (),
) -> dict[str, Any]:
    """Return the measured costs with those of new runs in place of older ones."""
    taken = dict(measured)
    if cached is not None:
        taken["cached"] = json.loads(cached.read_text("utf-8"))
    if waiting is not None:
        bench = json.loads(waiting.read_text("utf-8"))["figures"]
        rooms = [found for name, found in bench["leader"].items() if name.startswith("inside-")]
        taken |= {"waiting": bench["waiting"], "leader": rooms[-1]}
    for path in sales:
        sale = json.loads(path.read_text("utf-8"))
        if sale["broken"]:
            raise SystemExit(f"{path}: rules were broken, so the sale measures nothing")
        others = [one for one in taken.get("sales", []) if one["shoppers"] != sale["shoppers"]]
        taken["sales"] = [*others, sale]
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--waiting", type=Path)
    parser.add_argument("--cached", type=Path)
    parser.add_argument("--sale", type=Path, action="append", default=[])
    chosen = parser.parse_args()
    measured = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    taken = take(measured, waiting=chosen.waiting, cached=chosen.cached, sales=chosen.sale)
    MEASURED.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8"), taken), encoding="utf-8")


if __name__ == "__main__":
    main()
