"""URLs of Valkey on several servers."""

import pytest

from waitroom.run.settings import SettingsError, load_settings
from waitroom.store.valkey.client import open_client
from waitroom.store.valkey.several import read_several


def test_sentinels_are_read_with_their_service_and_the_login_of_the_primary() -> None:
    found = read_several(
        "redis+sentinel://me:s%40cret@a:1,b,[::1]:3/my%20own/4?sentinel_username=u"
    )

    assert [str(host) for host in found.hosts] == ["a:1", "b:26379", "[::1]:3"]
    assert found.by_sentinel
    assert found.service == "my own"
    assert found.rest == "redis://me:s%40cret@host/4?sentinel_username=u"
    assert not found.tls


def test_a_cluster_is_read_from_some_of_its_nodes() -> None:
    found = read_several("rediss+cluster://:secret@a,b:7000?ssl_ca_certs=/ca.pem")

    assert [str(host) for host in found.hosts] == ["a:6379", "b:7000"]
    assert not found.by_sentinel
    assert found.rest == "rediss://:secret@host?ssl_ca_certs=/ca.pem"
    assert found.tls


async def test_options_and_logins_reach_the_primary_and_the_sentinels_apart() -> None:
    url = "rediss+sentinel://me:secret@a/mine/4?ssl_ca_certs=/ca.pem&sentinel_password=watch"

    opened = open_client(url)

    pool = opened.client.connection_pool
    there = pool.connection_kwargs
    assert (there["username"], there["password"], there["db"]) == ("me", "secret", 4)
    assert there["ssl_ca_certs"] == "/ca.pem"
    assert pool.connection_class.__name__ == "SentinelManagedSSLConnection"
    (sentinel,) = pool.sentinel_manager.sentinels
    asked = sentinel.connection_pool.connection_kwargs
    assert (asked["password"], asked["ssl_ca_certs"]) == ("watch", "/ca.pem")
    assert asked.get("username") is None
    await opened.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+sentinel://a:26379", "has to name a service after its sentinels"),
        ("redis+sentinel:///mymaster", "names no host"),
        ("redis+sentinel://a/mymaster/first", "the database in the URL is a number"),
        ("redis+cluster://a/2", "no database but 0"),
        ("redis+cluster://a:x", "cannot be read"),
        ("redis+ring://a", "begins with redis or redis.cluster or"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_one_line(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        load_settings(environment={"WAITROOM_VALKEY_URL": url})

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://a,b/w?target_session_attrs=any", "say read-write"),
        ("postgresql://a,b,c/w?port=1,2", "one port, or one for each host"),
    ],
)
def test_hosts_that_could_not_be_written_to_are_refused(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_settings(environment={"WAITROOM_POSTGRES_URL": url})
