"""Write connectors/cases.json: passes, good and bad, that every connector has to judge alike.

    .venv/bin/python tools/pass_cases.py

All keys are fixed and Ed25519 is deterministic, so the file changes only with the format.
"""

import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from waitroom.gate.passes import Pass, PassKeys

FILE = ROOT / "connectors" / "cases.json"
OLD, NEW, STRANGE = (sha256(word).digest() for word in (b"old", b"new", b"strange"))
KEYS = PassKeys([OLD, NEW])
NOW = 1_800_000_000
GOOD = Pass(
    issuer="https://queue.example",
    room="drop",
    session_id=4711,
    turn=1,
    issued_at=NOW - 100,
    expires_at=NOW + 200,
)
REVOKED = replace(GOOD, session_id=4712)


def text_of(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_of(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts_of(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = text.split(".")
    return json.loads(raw_of(head)), json.loads(raw_of(body))


def signed(header: Any, claims: Any, *, secret: bytes = NEW) -> str:
    """Return what a key of the room would sign if it were asked to sign anything."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waitroom.pass-key.1").derive(secret)
    text = ".".join(text_of(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{text_of(Ed25519PrivateKey.from_private_bytes(key).sign(text.encode()))}"


def cases() -> Iterator[tuple[str, str, str]]:
    """Return the name of each case, the pass, and the code of its refusal or "good"."""
    good = KEYS.mint(GOOD)
    header, claims = parts_of(good)
    head, body, signature = good.split(".")
    yield "good", good, "good"
    yield "signed by the older key", PassKeys([OLD]).mint(GOOD), "good"
    yield "lets the last second pass", signed(header, {**claims, "exp": NOW + 1}), "good"
    yield "of a clock that is a little ahead", signed(header, {**claims, "iat": NOW + 60}), "good"
    yield "has a member that nobody knows", signed(header, {**claims, "new": [1]}), "good"
    yield "over", signed(header, {**claims, "exp": NOW}), "pass_over"
    yield "issued before all were called in", signed(header, {**claims, "iat": 1}), "pass_over"
    yield "not yet", signed(header, {**claims, "iat": NOW + 61}), "pass_not_yet"
    yield "revoked", KEYS.mint(REVOKED), "pass_revoked"
    yield "of another room", KEYS.mint(replace(GOOD, room="next")), "pass_of_another_room"
    elsewhere = replace(GOOD, issuer="https://other.example")
    yield "of another service", KEYS.mint(elsewhere), "pass_of_another_service"
    yield "of a strange key", PassKeys([STRANGE]).mint(GOOD), "pass_of_unknown_key"
    yield "a strange key that takes our name", signed(header, claims, secret=STRANGE), "pass_forged"
    longer = text_of(json.dumps({**claims, "exp": NOW + 9999}).encode())
    yield "with other claims", f"{head}.{longer}.{signature}", "pass_forged"
    yield "signed by nobody", f"{head}.{body}.{text_of(bytes(64))}", "pass_forged"
    yield "with a short signature", f"{head}.{body}.{signature[:40]}", "pass_forged"
    for name in ("none", "None", "", "HS256", "ES256", "Ed25519ph"):
        other = signed({**header, "alg": name}, claims)
        yield f"alg {name!r}", other, "pass_unreadable"
    unsigned = text_of(json.dumps({**header, "alg": "none"}).encode())
    yield "alg none without a signature", f"{unsigned}.{body}.", "pass_unreadable"
    yield "signed with the public key", _by_public_key(header, body), "pass_unreadable"
    yield "a token of another kind", signed({**header, "typ": "JWT"}, claims), "pass_unreadable"
    yield "a token without a kind", signed({"alg": "EdDSA"}, claims), "pass_unreadable"
    yield "without a key's name", signed(_without(header, "kid"), claims), "pass_of_unknown_key"
    yield (
        "key named like a member of objects",
        signed({**header, "kid": "__proto__"}, claims),
        "pass_of_unknown_key",
    )
    for name in ("iss", "aud", "sub", "iat", "exp"):
        yield f"without {name}", signed(header, _without(claims, name)), "pass_unreadable"
    for name, value in (("exp", str(NOW + 9)), ("exp", True), ("exp", None), ("aud", ["drop"])):
        broken = signed(header, {**claims, name: value})
        yield f"with {name} {value!r}", broken, "pass_unreadable"
    yield "claims that are a list", signed(header, [claims]), "pass_unreadable"
    yield "a header that is a number", signed(7, claims), "pass_unreadable"
    for name, text in (
        ("nothing", ""),
        ("two parts", f"{head}.{body}"),
        ("four parts", f"{good}.{signature}"),
        ("padded", f"{good}="),
        ("with a line break", f"{good}\n"),
        ("in the other base64", good.replace("-", "+").replace("_", "/") + "/"),
        ("no JSON", f"{text_of(b'{')}.{body}.{signature}"),
        ("no UTF-8", f"{text_of(bytes([0xFF, 0xFE]))}.{body}.{signature}"),
        ("not ASCII", f"{head}.{body}.\u00e9"),
        ("too long", f"{head}.{'A' * 2000}.{signature}"),
        ("deeply nested", f"{text_of(b'[' * 700)}.{body[:60]}.{signature}"),
    ):
        yield name, text, "pass_unreadable"


def _without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {one: value for one, value in members.items() if one != name}


def _by_public_key(header: dict[str, Any], body: str) -> str:
    """Return a pass whose HMAC is keyed with the public key, which anybody knows."""
    text = f"{text_of(json.dumps({**header, 'alg': 'HS256'}).encode())}.{body}"
    mac = HMAC(raw_of(msgspec.to_builtins(KEYS.public)["keys"][0]["x"]), SHA256())
    mac.update(text.encode())
    return f"{text}.{text_of(mac.finalize())}"


def document() -> str:
    written = {
        "issuer": GOOD.issuer,
        "room": GOOD.room,
        "now": NOW,
        "jwks": msgspec.to_builtins(KEYS.public),
        "revoked": [KEYS.public_id(REVOKED.session_id, REVOKED.turn)],
        "issued_before": 10,
        "cases": [{"name": name, "pass": text, "expect": expect} for name, text, expect in cases()],
    }
    return json.dumps(written, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
