"""Tokens that no one signed: seeded mutations of real ones, held against what verifies them.

Each kind has a few genuine tokens and the function of the service that reads one. A forgery is
accepted if that function takes a text that was not signed. Nothing here asks an engine.
"""

import base64
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from altcha import Challenge, Payload, solve_challenge

from checkout.order_link import OrderLinks
from checkout.session import Session, SessionSeal
from inventory.kit.problem import Refusal
from inventory.kit.signing import Seal
from waitroom.admin.accounts.guard import DEVICE_PURPOSE
from waitroom.desk.proving.stamps import Stamps
from waitroom.desk.proving.work import Works
from waitroom.gate.hand_over import HandOver, HandOverSeal
from waitroom.gate.known_user import protocol
from waitroom.gate.passes import Pass, PassKeys, PassUnreadable
from waitroom.gate.return_token import ReturnSeal
from waitroom.line.invitation import Invitation, InvitationSeal
from waitroom.line.ticket import Ticket, TicketSeal

KEYS = [bytes([n]) * 32 for n in (1, 2)]
# A gateway, a proxy or a paste may turn a sign into one of these.
SIGNS = (
    "ABCXYZabcxyz0189-_.~=+/%, ;:\"'\\\0\t\r\n\x1b\x7f\u00e9\u0430\u2028\ufeff\uff11"
    "\U0001f388\udcff"
)
LONG = 5000
# For values within JSON.
VALUES = (None, True, 0, 1, -1, 2**70, 1e300, "", "0", "drop", "other", "\ud800", [], {}, ["a"])
# A run ends before its proofs do.
LATER_S = 7200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of token: its genuine texts, and whether a text is taken for one."""

    name: str
    genuine: tuple[str, ...]
    accepts: Callable[[str], bool]


@dataclass(slots=True, kw_only=True)
class Tally:
    """The forgeries that were tried, by kind, and those that a verifier took or fell over."""

    tried: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def kinds(keys: Sequence[bytes] = KEYS) -> list[Kind]:
    """Return every kind of token that the service verifies by itself."""
    signing = list(keys)
    tickets, sessions = TicketSeal(signing), SessionSeal(signing)
    invitations, hands, returns = (
        InvitationSeal(signing),
        HandOverSeal(signing),
        ReturnSeal(signing),
    )
    passes, links, devices = PassKeys(signing), OrderLinks(signing), Seal(signing, DEVICE_PURPOSE)
    orders = [UUID(int=n) for n in (1, 2, 3)]
    at = datetime(2030, 1, 1, tzinfo=UTC)
    given = [
        Pass(
            issuer="https://q.example", room="drop", session_id=n, turn=1, issued_at=1, expires_at=9
        )
        for n in (1, 2)
    ]
    hand_overs = [
        HandOver(
            room=room, session_id=7, sku="", until=at, nonce=bytes(16), address="https://s.example/"
        )
        for room in ("drop", "other")
    ]
    known = [
        protocol.Token(event="drop", queue_id=str(orders[0]), expires_at=n, cookie_min=20)
        for n in (1_900_000_000, 1_900_000_001)
    ]
    return [
        Kind(
            name="ticket",
            genuine=tuple(
                tickets.sign(Ticket(line_id=line, number=number, ticket_id=bytes([number]) * 16))
                for line, number in ((1, 1), (1, 12), (2, 3))
            ),
            accepts=_refusing(tickets.open),
        ),
        Kind(
            name="session",
            genuine=tuple(
                sessions.sign(Session(session_id=n, room=room, sku=sku))
                for n, room, sku in ((1, "drop", ""), (12, "drop", "mug"), (3, "other", ""))
            ),
            accepts=_refusing(sessions.open),
        ),
        Kind(
            name="invitation",
            genuine=tuple(invitations.sign(Invitation(batch=b, index=2)) for b in (1, 12)),
            accepts=_refusing(invitations.open),
        ),
        Kind(
            name="pass",
            genuine=tuple(map(passes.mint, given)),
            accepts=_refusing(passes.read),
        ),
        Kind(
            name="hand-over",
            genuine=tuple(map(hands.sign, hand_overs)),
            accepts=lambda text: hands.open(text) is not None,
        ),
        Kind(
            name="return address",
            genuine=tuple(returns.sign("drop", f"https://s.example/{n}") for n in "ab"),
            accepts=lambda text: returns.open("drop", text) is not None,
        ),
        Kind(
            name="known device",
            genuine=tuple(devices.sign(f"{'0' * 32}.{name}") for name in ("ada", "bob")),
            accepts=lambda text: devices.open(text) is not None,
        ),
        Kind(
            name="link of an order",
            genuine=tuple(map(links.key_of, orders[:1])),
            accepts=lambda text: any(links.opens(order, text) for order in orders),
        ),
        Kind(
            name="KnownUser",
            genuine=tuple(protocol.mint(token, "s3cret") for token in known),
            accepts=lambda text: protocol.read(text, "s3cret") is not None,
        ),
        _stamps(signing),
        _proofs(signing),
    ]


def _stamps(signing: list[bytes]) -> Kind:
    stamps = Stamps(signing)
    made = (stamps.make(room, "ann", 1, now=1e9) for room in ("drop", "drop"))
    return Kind(
        name="stamp of a wait",
        genuine=tuple(made),
        accepts=lambda text: stamps.opened("drop", None, text, now=1e9) is not None,
    )


def _proofs(signing: list[bytes]) -> Kind:
    """Return proofs of work. One may be written in several ways, and is spent by its name."""
    works = Works(signing, clock=lambda: time.time() + LATER_S)
    genuine = []
    for _ in range(2):
        challenge = Challenge.from_dict(works.challenge_body("drop", 1))
        solution = solve_challenge(challenge)
        assert solution is not None
        genuine.append(Payload(challenge, solution).to_base64())
    known = [works.opened("drop", text) for text in genuine]

    def accepts(text: str) -> bool:
        found = works.opened("drop", text)
        return found is not None and (text in genuine or found not in known)

    return Kind(name="proof of work", genuine=tuple(genuine), accepts=accepts)


def _refusing(opened: Callable[[str], object]) -> Callable[[str], bool]:
    """Return whether a function takes a text that raises when it does not."""

    def accepts(text: str) -> bool:
        try:
            opened(text)
        except (Refusal, PassUnreadable):
            return False
        return True

    return accepts


def forge(dice: random.Random, genuine: Sequence[str], others: Sequence[str]) -> str:
    """Return a text like the genuine ones that is none of them, nor yet meant to be."""
    text = dice.choice(genuine)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        text = dice.choice(_WAYS)(dice, text, dice.choice((*genuine, *others)))
    return text


def _replace(dice: random.Random, text: str, _: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(SIGNS) + text[at + 1 :]


def _insert(dice: random.Random, text: str, _: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(SIGNS) * dice.choice((1, 1, 2)) + text[at:]


def _drop(dice: random.Random, text: str, _: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + text[at + dice.choice((1, 1, 2, 5)) :]


def _cut(dice: random.Random, text: str, _: str) -> str:
    at = dice.randrange(len(text) + 1)
    return dice.choice((text[:at], text[at:]))


def _splice(dice: random.Random, text: str, other: str) -> str:
    """Put the end of another token behind this one, often its signature."""
    mark = dice.choice("~.")
    if mark in text and mark in other and dice.random() < 0.7:
        return text.rpartition(mark)[0] + mark + other.rpartition(mark)[2]
    return text[: dice.randrange(len(text) + 1)] + other[dice.randrange(len(other) + 1) :]


def _number(dice: random.Random, text: str, _: str) -> str:
    digits = [at for at, sign in enumerate(text) if sign in "0123456789"]
    if not digits:
        return text + "0"
    at = dice.choice(digits)
    return text[:at] + dice.choice(("0", "1", "9", "00", "-1", "1e9", "\u0661")) + text[at + 1 :]


def _letters(dice: random.Random, text: str, _: str) -> str:
    return dice.choice((text.upper(), text.lower(), text.swapcase(), text[::-1], text.title()))


def _around(dice: random.Random, text: str, other: str) -> str:
    return dice.choice(
        (f" {text}", f"{text} ", f"{text}\n", f'"{text}"', f"{text}=", f"{text}==", text * 2,
         f"{text},{other}", f"{text}~{other}", text.replace("~", "%7E"), text.replace("_", "-"),
         text.replace("~", "."), "", text + "A" * LONG, f"Bearer {text}", f"~{text}")
    )  # fmt: skip


def _last(dice: random.Random, text: str, _: str) -> str:
    """Change spare bits: the last sign of base64 has some that decoders ignore."""
    if not text:
        return "A"
    return text[:-1] + dice.choice(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def _inside(dice: random.Random, text: str, _: str) -> str:
    """Change one value within JSON in base64; another token stays as it is."""
    try:
        read = json.loads(base64.b64decode(text))
    except ValueError:
        return _last(dice, text, text)
    at: Any = read
    while isinstance(at, dict) and at:
        name = dice.choice(list(at))
        if not isinstance(at[name], dict) or dice.random() < 0.2:
            at[name] = dice.choice(VALUES)
            break
        at = at[name]
    return base64.b64encode(json.dumps(read).encode()).decode()


_WAYS = (
    _inside,
    _inside,
    _replace,
    _replace,
    _insert,
    _drop,
    _cut,
    _splice,
    _number,
    _letters,
    _around,
    _last,
)


def try_forgeries(*, count: int, seed: int, among: Sequence[Kind]) -> Tally:
    """Hold this many forgeries against their verifiers."""
    dice, tally = random.Random(seed), Tally()
    genuine = [{*kind.genuine} for kind in among]
    every = [text for kind in among for text in kind.genuine]
    for turn in range(count):
        kind, own = among[turn % len(among)], genuine[turn % len(among)]
        while (text := forge(dice, kind.genuine, every)) in own:
            pass
        tally.tried[kind.name] += 1
        try:
            accepted = kind.accepts(text)
        except Exception as error:  # noqa: BLE001 - whatever it is, a verifier fell over
            tally.broken.append(f"{kind.name} {text!r}: {error!r}")
            continue
        if accepted:
            tally.accepted.append(f"{kind.name} {text!r}")
    return tally
