"""A shop on Stripe that lacks a key says so in one line, and shows none."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from waitroom.cli.options import with_gateway
from waitroom.run.keys.secrets_file import add_coming_key, generate_secrets
from waitroom.run.settings import (
    Secrets,
    Settings,
    SettingsError,
    load_secrets,
    load_settings,
)

KEYS = {"WAITROOM_SIGNING_KEYS": "aa" * 32}
SHOP = Settings(gateway="stripe", stripe_publishable_key="pk_test_1")
SECRET = {**KEYS, "WAITROOM_STRIPE_SECRET_KEY": "sk_test_1"}


def test_the_test_gateway_needs_no_keys_of_stripes() -> None:
    found = load_secrets(Settings(gateway="test"), KEYS)

    assert (found.stripe_secret_key, found.stripe_webhook_secrets) == ("", [])


def test_the_environment_may_hold_stripes_secrets() -> None:
    listed = {**SECRET, "WAITROOM_STRIPE_WEBHOOK_SECRETS": "whsec_1, whsec_2"}

    found = load_secrets(SHOP, listed)

    assert found.stripe_secret_key == "sk_test_1"
    assert found.stripe_webhook_secrets == ["whsec_1", "whsec_2"]
    # Settings are read from the environment too, and these are none.
    assert load_settings(environment=listed) == Settings()


def test_the_secrets_file_may_hold_them_and_keeps_them_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    shop = Settings(gateway="stripe", stripe_publishable_key="pk_test_1", data_dir=str(tmp_path))
    generate_secrets(path)
    with path.open("a") as file:
        file.write('stripe_secret_key = "sk_test_1"\nstripe_webhook_secrets = ["whsec_1"]\n')

    add_coming_key(path)

    found = load_secrets(shop, {})
    assert found.coming_key
    assert found.stripe_secret_key == "sk_test_1"
    assert found.stripe_webhook_secrets == ["whsec_1"]


def test_stripe_without_its_secret_key_is_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match="WAITROOM_STRIPE_SECRET_KEY") as raised:
        load_secrets(SHOP, KEYS)

    assert "\n" not in str(raised.value)


def test_stripe_without_its_key_for_pages_is_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match="needs stripe_publishable_key") as raised:
        load_settings(environment={"WAITROOM_GATEWAY": "stripe"})

    assert "\n" not in str(raised.value)


def test_stripe_without_its_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SettingsError, match=r"pip install .waitroom\[stripe\]"):
        load_secrets(SHOP, SECRET)


def test_a_secret_key_never_gets_onto_a_page() -> None:
    with pytest.raises(SettingsError, match="begins with pk_") as raised:
        load_settings(environment={"WAITROOM_STRIPE_PUBLISHABLE_KEY": "sk_live_mine"})

    assert "sk_live_mine" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("STRIPE_SECRET_KEY", "pk_mine"), ("STRIPE_WEBHOOK_SECRETS", "whsec_1,mine")],
)
def test_a_secret_of_another_kind_is_refused_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name.lower()) as raised:
        load_secrets(Settings(), {**KEYS, f"WAITROOM_{name}": value})

    assert "mine" not in str(raised.value)


@pytest.mark.parametrize("name", ["stripe_secret_key", "stripe_webhook_secrets", "signing_keys"])
def test_a_secret_among_the_settings_is_sent_where_it_belongs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "waitroom.toml"
    path.write_text(f'{name} = "sk_mine"\n')

    with pytest.raises(SettingsError, match=f"{name} in .* is a secret.*WAITROOM_") as raised:
        load_settings(path, environment={})

    assert "sk_mine" not in str(raised.value)


def test_stripes_secrets_are_not_shown() -> None:
    made = Secrets(
        signing_keys=["aa" * 32],
        stripe_secret_key="sk_mine",
        stripe_webhook_secrets=["whsec_mine"],
    )

    assert "mine" not in f"{made!r} {made} {[made]}"


def test_only_the_demonstration_has_a_gateway_without_choosing_one() -> None:
    assert with_gateway(Settings(demo=True)).gateway == "test"
    assert with_gateway(Settings(gateway="test")).gateway == "test"
    assert with_gateway(SHOP) == SHOP
    for url in ("", "https://shop.example.com"):
        with pytest.raises(SettingsError, match="no payment gateway is chosen") as raised:
            with_gateway(Settings(public_url=url))
        assert "\n" not in str(raised.value)


def test_the_secret_key_can_be_sent_nowhere_but_to_stripe() -> None:
    with pytest.raises(SettingsError, match="unknown setting WAITROOM_STRIPE_API_BASE"):
        load_settings(environment={"WAITROOM_STRIPE_API_BASE": "http://example.com"})


def test_without_stripe_its_library_is_not_loaded() -> None:
    code = "import sys, waitroom.run.app; sys.exit('stripe' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
