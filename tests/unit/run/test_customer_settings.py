"""Settings and secrets of the identity provider: a mistake is said at the start, in one line."""

from pathlib import Path

import pytest

from waitroom.run.keys.secret_checks import JWT_SECRET_LENGTH_MIN
from waitroom.run.keys.secrets_file import add_coming_key
from waitroom.run.settings import (
    Settings,
    SettingsError,
    load_secrets,
    load_settings,
)

KEYS = {"WAITROOM_SIGNING_KEYS": "aa" * 32}
ISSUER = "https://id.example/auth/v1"
SECRET = "a shared secret of enough letters"


def provider(**values: str) -> Settings:
    made = {"customer_issuer": ISSUER, "customer_audience": "shop", **values}
    return load_settings(environment={}, overrides=made)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"customer_issuer": ISSUER}, "customer_issuer needs customer_audience"),
        ({"customer_jwks_url": f"{ISSUER}/keys"}, "customer_jwks_url needs customer_issuer"),
        (
            {
                "customer_issuer": ISSUER,
                "customer_audience": "shop",
                "customer_jwks_url": "http://id.example/keys",
            },
            "https address",
        ),
    ],
)
def test_half_a_provider_is_refused(values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as raised:
        load_settings(environment={}, overrides=values)

    assert "\n" not in str(raised.value)


def test_an_issuer_without_keys_anywhere_is_refused() -> None:
    settings = provider(customer_issuer="my-shop")

    with pytest.raises(SettingsError, match="customer_jwks_url"):
        load_secrets(settings, KEYS)
    found = load_secrets(settings, {**KEYS, "WAITROOM_CUSTOMER_JWT_SECRET": SECRET})

    assert found.customer_jwt_secret == SECRET


def test_a_shared_secret_without_a_provider_is_refused() -> None:
    with pytest.raises(SettingsError, match="customer_issuer"):
        load_secrets(Settings(), {**KEYS, "WAITROOM_CUSTOMER_JWT_SECRET": SECRET})


@pytest.mark.parametrize(
    "secret",
    ["x" * (JWT_SECRET_LENGTH_MIN - 1), "-----BEGIN PUBLIC KEY-----\n" + "x" * 400],
    ids=["short", "public"],
)
def test_a_secret_that_is_none_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(SettingsError, match="customer_jwt_secret") as raised:
        load_secrets(provider(), {**KEYS, "WAITROOM_CUSTOMER_JWT_SECRET": secret})

    assert "xxx" not in str(raised.value)


def test_the_secret_stands_in_the_file_and_the_environment_wins(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(f'signing_keys = ["{"bb" * 32}"]\ncustomer_jwt_secret = "{SECRET}"\n')
    settings = provider(data_dir=str(tmp_path))
    other = f"{SECRET} of another kind"

    by_file = load_secrets(settings, {})
    by_environment = load_secrets(settings, {"WAITROOM_CUSTOMER_JWT_SECRET": f"{other}\n"})

    assert by_file.customer_jwt_secret == SECRET
    assert by_environment.customer_jwt_secret == other
    assert SECRET not in repr(by_file)


def test_a_rotation_keeps_the_other_secrets(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    odd = 'with "quotes", a \\backslash and ümlauts, long enough'
    path.write_text(f"signing_keys = [\"{'bb' * 32}\"]\ncustomer_jwt_secret = '''{odd}'''\n")

    add_coming_key(path)

    found = load_secrets(provider(data_dir=str(tmp_path)), {})
    assert found.customer_jwt_secret == odd
    assert found.coming_key
