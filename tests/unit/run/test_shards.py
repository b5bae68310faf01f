"""A settings file for several shards: each process takes its own part of it."""

from pathlib import Path

import msgspec
import pytest

from waitroom.run.processes.supervisor import as_variable
from waitroom.run.settings import Secrets, SettingsError, load_settings
from waitroom.run.shards.sealing import sealing
from waitroom.run.shards.shard import public_json

TEXT = """
brand = "The shop"
public_url = "https://shop.example"
postgres_url = "postgresql://db1/waitroom"
postgres_owner_url = "postgresql://owner@db1/waitroom"
valkey_url = "redis://v1"

[shards.autumn]
public_url = "https://shop.example/autumn/"
postgres_url = "postgresql://:secret@db2/waitroom"
valkey_url = "redis://v2"
rooms = ["drop"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "waitroom.toml"
    made.write_text(TEXT)
    return made


def test_the_main_shard_has_what_stands_at_the_top(path: Path) -> None:
    found = load_settings(path, environment={})

    assert (found.shard, found.postgres_url) == ("main", "postgresql://db1/waitroom")
    assert found.shard_map.shard_of("mugs") == "main"
    assert found.shard_map.shard_of("drop") == "autumn"


def test_another_shard_has_its_own_engines_and_all_else_from_the_top(path: Path) -> None:
    found = load_settings(path, environment={"WAITROOM_SHARD": "autumn"})

    assert found.postgres_url == "postgresql://:secret@db2/waitroom"
    assert (found.postgres_owner_url, found.valkey_url) == ("", "redis://v2")
    assert (found.public_url, found.public_path) == ("https://shop.example/autumn", "/autumn")
    assert found.brand == "The shop"
    assert found.shards["main"].valkey_url == "redis://v1"


def test_the_environment_and_an_option_are_for_the_shard_of_the_process(path: Path) -> None:
    found = load_settings(
        path,
        environment={"WAITROOM_VALKEY_URL": "redis://v3"},
        overrides={"shard": "autumn", "postgres_url": "postgresql://db3/waitroom"},
    )

    assert (found.valkey_url, found.postgres_url) == ("redis://v3", "postgresql://db3/waitroom")
    assert found.shards["autumn"].valkey_url == "redis://v3"
    assert found.shards["main"].postgres_url == "postgresql://db1/waitroom"


def test_a_child_process_gets_the_shards_without_the_engines_of_others(path: Path) -> None:
    made = load_settings(path, environment={"WAITROOM_SHARD": "main"})
    values = msgspec.to_builtins(made)
    values["shards"] = public_json(values["shards"])

    environment = {f"WAITROOM_{name.upper()}": as_variable(v) for name, v in values.items()}

    found = load_settings(environment=environment)
    assert "secret" not in str(environment)
    assert found.shard_map == made.shard_map
    assert found.postgres_url == made.postgres_url


SAME_ROOM = """rooms = ["drop"]
[shards.b]
public_url = "http://b"
rooms = ["drop"]"""
ROOMS_OF_MAIN = """rooms = []
[shards.main]
public_url = "http://main"
rooms = ["mugs"]"""


@pytest.mark.parametrize(
    ("changed", "to", "says"),
    [
        ('["drop"]', '["Drop"]', "rooms"),
        ("db2", "db1", "postgres_url"),
        ("https://shop.example/autumn/", "https://shop.example", "same public_url"),
        ("[shards.autumn]", "[shards.Autumn]", "cannot be a shard's name"),
        ('public_url = "https://shop.example"\n', "", "main needs a public_url"),
        ("redis://v2", "http://v2", "valkey_url of the shard autumn"),
        ('rooms = ["drop"]', ROOMS_OF_MAIN, "names none"),
        ('rooms = ["drop"]', SAME_ROOM, "the room drop is given to two shards, autumn and b"),
    ],
)
def test_shards_that_collide_are_refused(path: Path, changed: str, to: str, says: str) -> None:
    text = TEXT.replace(":secret@", "") if to == "db1" else TEXT
    path.write_text(text.replace(changed, to))

    with pytest.raises(SettingsError, match=says):
        load_settings(path, environment={})


def test_a_child_process_of_a_service_without_shards_starts() -> None:
    assert load_settings(environment={"WAITROOM_SHARDS": as_variable({})}) == load_settings(
        environment={}
    )


def test_a_shard_that_there_is_not_and_one_without_engines_are_refused(path: Path) -> None:
    with pytest.raises(SettingsError, match="no shard winter; the shards are autumn, main"):
        load_settings(path, environment={"WAITROOM_SHARD": "winter"})
    with pytest.raises(SettingsError, match="no shard winter: the settings name none"):
        load_settings(environment={"WAITROOM_SHARD": "winter"})
    path.write_text(TEXT.replace('valkey_url = "redis://v2"', ""))
    with pytest.raises(SettingsError, match="autumn needs a postgres_url and a valkey_url"):
        load_settings(path, environment={"WAITROOM_SHARD": "autumn"})


def test_each_shard_seals_with_keys_of_its_own_and_all_sign_logs_with_one() -> None:
    shared = Secrets(signing_keys=["11" * 32, "22" * 32], coming_key="33" * 32)

    main, autumn, winter = (sealing(shared, name) for name in ("main", "autumn", "winter"))

    assert main == sealing(shared, "") == shared
    assert not {*main.keys} & {*autumn.keys}
    assert not {*winter.keys} & {*autumn.keys}
    assert main.first == autumn.first == winter.first


def test_a_process_whose_supervisor_has_no_shards_starts() -> None:
    none = as_variable(public_json({}))

    assert load_settings(None, environment={"WAITROOM_SHARDS": none}).shards == {}
