"""Settings are read once, in order of precedence, and nothing unknown is let pass."""

import os
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from yarl import URL

from waitroom.run.keys.secrets_file import (
    add_coming_key,
    generate_secrets,
    let_coming_key_sign,
    retire_oldest_key,
)
from waitroom.run.processes import PortInUse
from waitroom.run.processes.ports import bind_shared
from waitroom.run.processes.supervisor import as_variable
from waitroom.run.settings import (
    Secrets,
    Settings,
    SettingsError,
    load_secrets,
    load_settings,
)

EXAMPLE = Path(__file__).parents[3] / "config" / "waitroom.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "waitroom.toml"
    path.write_text(text)
    return path


def test_without_a_file_and_an_environment_the_defaults_hold() -> None:
    found = load_settings(environment={})

    assert found == Settings()


def test_the_environment_wins_over_the_file_and_an_option_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, 'port = 1\nworkers = 1\nbrand = "file"\n')

    found = load_settings(
        path,
        environment={"WAITROOM_PORT": "2", "WAITROOM_WORKERS": "2"},
        overrides={"port": 3, "brand": None},
    )

    assert (found.port, found.workers, found.brand) == (3, 2, "file")


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "port = 81\n")

    assert load_settings(environment={"WAITROOM_CONFIG": str(path)}).port == 81


def test_values_of_the_environment_are_read_as_what_they_stand_for() -> None:
    found = load_settings(
        environment={
            "WAITROOM_PORT": "0",
            "WAITROOM_DEMO": "true",
            "WAITROOM_DRAIN_S": "2.5",
            "WAITROOM_LOG_JSON": "0",
            "PATH": "/bin",
        }
    )

    assert (found.port, found.demo, found.drain_s, found.log_json) == (0, True, 2.5, False)


@pytest.mark.parametrize(
    ("key", "nearest"), [("prot", "port"), ("worker", "workers"), ("drain", "drain_s")]
)
def test_an_unknown_key_in_the_file_is_named_with_the_nearest(
    tmp_path: Path, key: str, nearest: str
) -> None:
    path = written(tmp_path, f"{key} = 1\n")

    with pytest.raises(SettingsError, match=rf"{key} .*did you mean {nearest}\?") as raised:
        load_settings(path, environment={})

    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_variable_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"WAITROOM_PROT .*did you mean WAITROOM_PORT"):
        load_settings(environment={"WAITROOM_PROT": "1"})


@pytest.mark.parametrize("name", ["SIGNING_KEYS", "CONFIG", "SUPERVISOR", "KEY", "URL"])
def test_what_is_no_setting_stands_apart(name: str) -> None:
    assert load_settings(environment={f"WAITROOM_{name}": ""}) == Settings()


@pytest.mark.parametrize(
    "text",
    [
        "port = -1",
        "port = 65536",
        "workers = 0",
        "postgres_connections_max = 1",
        "drain_s = nan",
        "payment_wait_s = -1",
        "drain_s = -0.1",
        "sign_in_attempts_per_minute = 0",
        'port = "many"',
        'log_level = "loud"',
        "brand = 1",
        "demo = 2",
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsError, match=text.split(" ", 1)[0]):
        load_settings(path, environment={})


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no settings file .*missing\.toml"):
        load_settings(tmp_path / "missing.toml", environment={})
    with pytest.raises(SettingsError, match=r"waitroom\.toml cannot be read"):
        load_settings(written(tmp_path, "port = = 1"), environment={})


def test_the_example_documents_every_setting_with_its_default() -> None:
    lines = EXAMPLE.read_text().splitlines()
    commented = [line[2:] for line in lines if re.match(r"# [a-z_]+ = ", line)]

    documented = tomllib.loads("\n".join(commented))

    defaults = msgspec.to_builtins(Settings())
    documented["data_dir"] = str(Path(documented["data_dir"]).expanduser())
    if not os.environ.get("XDG_DATA_HOME"):
        assert documented == defaults
    assert list(documented) == list(defaults)


def test_the_example_as_it_stands_changes_nothing() -> None:
    assert load_settings(EXAMPLE, environment={}) == Settings()


def test_an_https_address_is_secure() -> None:
    plain = load_settings(environment={})
    secure = load_settings(environment={"WAITROOM_PUBLIC_URL": "https://queue.example.com/"})

    assert (plain.secure, plain.base_url) == (False, "http://127.0.0.1:8080")
    assert (secure.secure, secure.base_url) == (True, "https://queue.example.com")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("HTTPS://Queue.Example.com", "https://queue.example.com"),
        (" https://queue.example.com ", "https://queue.example.com"),
        ("https://queue.example.com:443", "https://queue.example.com"),
        ("https://b\u00fccher.example:8443/", "https://xn--bcher-kva.example:8443"),
        ("http://[0:0::1]:80", "http://[::1]"),
        ("http://web_1", "http://web_1"),
    ],
)
def test_the_public_address_has_one_form_however_it_is_written(text: str, address: str) -> None:
    settings = load_settings(environment={"WAITROOM_PUBLIC_URL": text})

    assert (settings.public_url, settings.base_url) == (address, address)
    assert settings.secure == address.startswith("https:")


@pytest.mark.parametrize(
    ("host", "listens", "url"),
    [
        ("::1", "::1", "http://[::1]:8080"),
        ("[::1]", "::1", "http://[::1]:8080"),
        (" ::", "::", "http://[::]:8080"),
        ("fe80::1%eth0", "fe80::1%eth0", "http://[fe80::1]:8080"),
        ("LocalHost", "localhost", "http://localhost:8080"),
    ],
)
def test_a_host_to_listen_on_makes_an_address(host: str, listens: str, url: str) -> None:
    settings = load_settings(environment={}, overrides={"host": host})

    assert (settings.host, settings.base_url) == (listens, url)
    assert str(URL(url)) == url


@pytest.mark.parametrize(
    "host", ["a b", "", "127.0.0.1:80", "[::1", "[::1]:80", "http://a", "1.2.3", "*"]
)
def test_a_host_that_is_none_is_refused_by_its_name(host: str) -> None:
    with pytest.raises(SettingsError, match="host has to be an address or a name"):
        load_settings(environment={}, overrides={"host": host})


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(PortInUse, match=f"{host}.*choose another with --host"):
        bind_shared(host, 0)


@pytest.mark.parametrize(
    "text",
    [
        "queue.example.com", "queue.example.com:8080", "//queue.example.com", "https://",
        "ftp://queue.example.com", "https://queue.example.com/a/../b", "https://queue.example.com?a=b",
        "https://ada@queue.example.com", "https://queue.example.com:port", "https://[::1",
    ],
)  # fmt: skip
def test_an_address_that_no_shopper_can_use_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="public_url has to be an address such as"):
        load_settings(environment={"WAITROOM_PUBLIC_URL": text})


def test_a_generated_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secrets.toml"

    made = generate_secrets(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [len(key) for key in made.keys] == [32]
    assert load_secrets(Settings(data_dir=str(path.parent)), {}) == made
    assert [p.name for p in path.parent.iterdir()] == ["secrets.toml"]


def test_a_key_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    made = generate_secrets(path)

    with pytest.raises(SettingsError, match="--rotate"):
        generate_secrets(path)

    assert load_secrets(Settings(data_dir=str(path.parent)), {}) == made


def test_a_new_key_is_accepted_before_it_signs_and_the_first_is_kept_for_the_log(
    tmp_path: Path,
) -> None:
    path = tmp_path / "secrets.toml"
    made = generate_secrets(path)

    coming = add_coming_key(path)
    asked_twice = add_coming_key(path)
    signing = let_coming_key_sign(path)
    retired = retire_oldest_key(path)

    (old,), new = made.keys, bytes.fromhex(coming.coming_key)
    assert coming == asked_twice
    assert (coming.keys, signing.keys, retired.keys) == ([old, new, old], [old, new], [new])
    assert coming.first == signing.first == retired.first == old
    assert load_secrets(Settings(data_dir=str(tmp_path)), {}) == retired
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_broken_secrets_file_is_named_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text("signing_keys = 1\n")

    with pytest.raises(SettingsError, match=r"secrets\.toml"):
        load_secrets(Settings(data_dir=str(path.parent)), {})
    with pytest.raises(SettingsError, match=r"secrets\.toml"):
        add_coming_key(path)
    assert path.read_text() == "signing_keys = 1\n"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    made = generate_secrets(tmp_path / "secrets.toml")

    for shown in (repr(made), str(made), f"{made}", f"{[made]}"):
        assert made.signing_keys[0] not in shown


def test_the_environment_may_hold_the_keys(tmp_path: Path) -> None:
    keys = "aa" * 32 + ", " + "bb" * 32

    found = load_secrets(Settings(data_dir=str(tmp_path)), {"WAITROOM_SIGNING_KEYS": keys})

    assert found == Secrets(signing_keys=["aa" * 32, "bb" * 32])


@pytest.mark.parametrize("keys", ["aa", "zz" * 32, "aa" * 32 + ",", "aa" * 33])
def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path: Path, keys: str) -> None:
    with pytest.raises(SettingsError, match="WAITROOM_SIGNING_KEYS must hold") as raised:
        load_secrets(Settings(data_dir=str(tmp_path)), {"WAITROOM_SIGNING_KEYS": keys})

    assert "aa" not in str(raised.value)


def test_without_keys_the_way_to_make_them_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="waitroom keygen"):
        load_secrets(Settings(data_dir=str(tmp_path)), {})


def test_trusted_proxies_are_networks_and_reach_every_process(tmp_path: Path) -> None:
    path = written(tmp_path, 'trusted_proxies = ["10.0.0.0/8", "2001:db8::7"]\n')
    listed = ["10.0.0.0/8", "2001:db8::7"]

    given = {"WAITROOM_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::7,"}
    from_environment = load_settings(environment=given).proxies

    assert load_settings(path, environment={}).trusted_proxies == listed
    assert from_environment == load_settings(path, environment={}).proxies
    assert load_settings(environment={"WAITROOM_TRUSTED_PROXIES": ""}).trusted_proxies == []
    assert as_variable(listed) == "10.0.0.0/8,2001:db8::7"
    for wrong in ("proxy.internal", "10.0.0.0/40", "0.0.0.0/0", "::/0"):
        with pytest.raises(SettingsError, match="trusted_proxies"):
            load_settings(environment={"WAITROOM_TRUSTED_PROXIES": wrong})
