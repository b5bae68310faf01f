"""Codes of authenticator apps, and their secrets under keys that come and go."""

import pyotp
import pytest

from waitroom.admin.accounts.factors.authenticator import Authenticators
from waitroom.admin.accounts.factors.passkeys import Passkeys

OLD, NEW = b"a" * 32, b"b" * 32
NOW = 1_800_000_015.0


def opened(*keys: bytes) -> Authenticators:
    return Authenticators(keys, issuer="Waitroom")


def test_a_code_counts_one_step_early_or_late_and_only_after_the_last_one() -> None:
    book = opened(OLD)
    sealed = book.new(7)
    app, now = pyotp.TOTP(str(book.secret(7, sealed))), int(NOW) // 30

    def step_of(code: str, after: int = 0) -> int | None:
        return book.step_of(7, sealed, code, now_s=NOW, after=after)

    assert [step_of(app.generate_otp(now + drift)) for drift in (-2, -1, 0, 1, 2)] == [
        None,
        now - 1,
        now,
        now + 1,
        None,
    ]
    code = app.generate_otp(now)
    assert step_of(f" {code[:3]} {code[3:]} ") == now
    assert step_of(code, after=now) is None
    assert step_of(code, after=now - 1) == now
    for unfit in ("", "12345", code + "0", "abcdef", "\uff11" * 6):
        assert step_of(unfit) is None


def test_a_secret_outlives_the_rotation_of_keys_and_is_sealed_anew_by_the_newest() -> None:
    sealed = opened(OLD).new(7)
    secret = opened(OLD).secret(7, sealed)
    renewed = opened(OLD, NEW).resealed(7, sealed)

    assert opened(OLD, NEW).secret(7, sealed) == secret
    assert opened(NEW).secret(7, sealed) is None
    assert opened(NEW).secret(7, renewed) == secret
    assert opened(OLD, NEW).resealed(7, renewed) == renewed
    assert opened(NEW).secret(8, renewed) is None, "it belongs to one operator"
    assert opened(NEW).secret(7, renewed[:-1] + bytes([renewed[-1] ^ 1])) is None
    assert opened(NEW).secret(7, b"") is None


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://queue.example", "https://queue.example"),
        ("https://shop.example:8443/queue", "https://shop.example:8443"),
        ("http://127.0.0.1:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://localhost:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://192.0.2.7", ""),
        ("https://[2001:db8::1]", ""),
        ("http://queue.example", ""),
    ],
)
def test_passkeys_work_at_the_public_address_and_this_machines_own_name(
    address: str, origin: str
) -> None:
    assert Passkeys(address, brand="Waitroom").origin == origin
