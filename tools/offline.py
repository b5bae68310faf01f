"""Measure what the offline check costs a site: one pass, and the list of revoked ones.

    .venv/bin/python tools/offline.py [--sessions 100000]

It prints a table and writes build/offline.json. The sale is the worst for the list: so many
sessions of ten minutes are live at any time, their ends are spread evenly, and all end early. A
pass holds for five minutes, and a site asks every second.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
import tracemalloc
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "connectors" / "python")]

from waitroom_gate import Answer, Gate, PassRefused, Request
from waitroom_gate.passes import Revoked, keys_of, verify

from waitroom.gate.passes import Pass, PassKeys
from waitroom.gate.revoked import Revocation, RevokedList, RevokedPage

TABLE = json.loads((ROOT / "connectors" / "cases.json").read_text(encoding="utf-8"))
GOOD = TABLE["cases"][0]["pass"]
FORGED = next(case["pass"] for case in TABLE["cases"] if case["expect"] == "pass_forged")
SESSION_S, PASS_S, POLL_S = 600, 300, 1
ROUNDS, PER_ROUND = 15, 400
ENCODER = msgspec.json.Encoder()


def us(act: Callable[[], object], *, per_round: int = PER_ROUND) -> float:
    """Return the CPU time of one act in microseconds, the median of several rounds.

    The CPU time of this thread leaves out what other programs of a busy machine take.
    """
    found = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(per_round):
            act()
        found.append((time.thread_time() - started) / per_round * 1e6)
    return median(found)


def one_pass() -> dict[str, float]:
    keys = keys_of(TABLE["jwks"])
    facts: dict[str, Any] = {name: TABLE[name] for name in ("issuer", "room", "now")}

    def forged() -> None:
        try:
            verify(FORGED, keys, **facts)
        except PassRefused:
            return
        raise AssertionError

    def ask(_: str, path: str, __: str) -> Answer:
        if path.endswith("jwks.json"):
            return Answer(status=200, body=TABLE["jwks"])
        return Answer(status=200, body=json.loads(body_of(RevokedList().page("drop", None))))

    gate = Gate(
        TABLE["issuer"], room="drop", when_away="closed", ask=ask, clock=lambda: TABLE["now"]
    )
    gate.room.refresh()
    headers = {"accept": "text/html", "cookie": f"__Host-waitroom_pass_drop={GOOD}"}
    request = Request(method="GET", url="https://shop.example/checkout?a=1", headers=headers)
    assert gate.check(request).status == 0
    service = PassKeys([b"k" * 32])
    given = Pass(
        issuer=TABLE["issuer"],
        room="drop",
        session_id=1,
        turn=1,
        issued_at=TABLE["now"],
        expires_at=TABLE["now"] + PASS_S,
    )
    signed, _, signature = GOOD.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    key = next(iter(keys.values()))
    return {
        "Ed25519 alone, Python (µs)": us(lambda: key.verify(raw, signed.encode())),
        "verify a good pass, Python (µs)": us(lambda: verify(GOOD, keys, **facts)),
        "refuse a forged pass, Python (µs)": us(forged),
        "decide on a request, Python (µs)": us(lambda: gate.check(request)),
        "mint a pass, service (µs)": us(lambda: service.mint(given)),
    }


def in_node() -> dict[str, float]:
    node = shutil.which("node")
    if node is None:
        sys.stderr.write("Node is missing, so its share is not measured.\n")
        return {}
    script = str(ROOT / "tools" / "offline.mjs")
    done = subprocess.run([node, script], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def body_of(page: RevokedPage) -> bytes:
    return ENCODER.encode({"room": "drop", "pass_s": PASS_S, **msgspec.to_builtins(page)})


def ended_by(sessions: int, *, until_s: int) -> list[Revocation]:
    """Return the sessions that ended in a time, by transactions of one second each."""
    service = PassKeys([b"k" * 32])
    count = sessions * until_s // SESSION_S
    ids = (service.public_id(number, 1) for number in range(1, count + 1))
    return [
        Revocation(
            public_id=public_id,
            written=at * until_s // count,
            ended_at=float(at * until_s // count),
            until=float(at * until_s // count + PASS_S),
        )
        for at, public_id in enumerate(ids)
    ]


def the_whole_list(worker: RevokedList) -> list[bytes]:
    pages = [worker.page("drop", None)]
    while pages[-1].more:
        pages.append(worker.page("drop", pages[-1].version))
    return [body_of(page) for page in pages]


def the_list(sessions: int) -> dict[str, float]:
    ended = ended_by(sessions, until_s=PASS_S)
    worker = RevokedList()
    horizon = PASS_S - POLL_S
    worker.take({"drop": [one for one in ended if one.written < horizon]}, horizon=horizon, now=0.0)
    news = {"drop": [one for one in ended if one.written >= horizon]}
    started = time.thread_time()
    worker.take(news, horizon=PASS_S, now=1.0)
    read_us = (time.thread_time() - started) * 1e6

    bodies = the_whole_list(worker)
    tracemalloc.start()
    site = Revoked()
    for body in bodies:
        site.take(json.loads(body), 0.0)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    delta = body_of(worker.page("drop", horizon))
    return {
        "sessions in the list": len(site),
        "answer of one second (bytes)": len(delta),
        "made by the service (µs)": us(lambda: body_of(worker.page("drop", horizon)), per_round=50),
        "taken into a worker's memory (µs)": read_us,
        "taken in by the site (µs)": us(lambda: site.take(json.loads(delta), 0.0), per_round=50),
        "an id looked up by the site (µs)": us(lambda: "no such id" in site),
        "memory of the site (MB)": memory / 1e6,
        "whole list, for a site that starts (bytes)": sum(map(len, bodies)),
        "whole list (answers)": len(bodies),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=100_000)
    sessions = parser.parse_args().sessions
    found = {**one_pass(), **in_node(), **the_list(sessions)}
    for name, value in found.items():
        sys.stdout.write(f"{name:48} {value:12,.1f}\n")
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    (folder / "offline.json").write_text(json.dumps({"sessions": sessions, **found}, indent=2))


if __name__ == "__main__":
    main()
