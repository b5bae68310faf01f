"""The client's address is the one that nobody but a trusted proxy could have written."""

import pytest
from aiohttp.test_utils import make_mocked_request

from inventory.kit.doors.client import UNTOLD, Clients
from inventory.kit.doors.client_address import TrustedProxies, network_of, parse_networks

PROXIES = TrustedProxies(networks=parse_networks(["10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1"]))


def client(peer: str | None, *lines: str, forwarded: tuple[str, ...] = ()) -> str:
    return PROXIES.client(peer, x_forwarded_for=lines, forwarded=forwarded)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("203.0.113.7",), "203.0.113.7"),
        # What the client wrote itself stands on the left.
        (("6.6.6.6, 203.0.113.7",), "203.0.113.7"),
        (("6.6.6.6", "203.0.113.7"), "203.0.113.7"),
        (("six, , 203.0.113.7 , 10.2.3.4,10.0.0.9",), "203.0.113.7"),
        (("203.0.113.7, 2001:db8:ffff::1",), "203.0.113.7"),
        (("203.0.113.7, ::ffff:10.0.0.9",), "203.0.113.7"),
        # Some write ports and brackets.
        (("203.0.113.7:50123",), "203.0.113.7"),
        (("[2001:db8::7]:50123",), "2001:db8::7"),
        (("2001:DB8:0:0::7",), "2001:db8::7"),
        (("fe80::1%eth0",), "fe80::1"),
        (("::ffff:203.0.113.7",), "203.0.113.7"),
        (("64:ff9b::203.0.113.7",), "203.0.113.7"),
        # Every hop is a proxy: the first one asks for itself.
        (("10.9.9.9, 10.0.0.9",), "10.9.9.9"),
        (("x," * 10_000 + "203.0.113.7",), "203.0.113.7"),
        # An entry that a proxy must have written cannot be read.
        (("203.0.113.7, unknown",), "10.0.0.1"),
        (("203.0.113.7, 10.0.0.256",), "10.0.0.1"),
        (("203.0.113.7, _hidden, 10.0.0.9",), "10.0.0.1"),
        ((" , ",), "10.0.0.1"),
        (("",), "10.0.0.1"),
        ((), "10.0.0.1"),
    ],
)
def test_the_client_is_the_right_most_address_of_no_proxy(
    lines: tuple[str, ...], found: str
) -> None:
    assert client("10.0.0.1", *lines) == found
    assert client("::ffff:10.0.0.1", *lines) == found


@pytest.mark.parametrize("peer", ["203.0.113.1", "2001:db8::1", "11.0.0.1", None, ""])
def test_a_stranger_names_no_other_client(peer: str | None) -> None:
    assert client(peer, "10.0.0.1", forwarded=("for=10.0.0.1",)) == str(peer)
    assert TrustedProxies().client("127.0.0.1", x_forwarded_for=["1.2.3.4"], forwarded=[]) == (
        "127.0.0.1"
    )


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("for=203.0.113.7",), "203.0.113.7"),
        (('proto=https; For="203.0.113.7:4711" ;by=10.0.0.1',), "203.0.113.7"),
        (('for="[2001:db8::7]:4711"',), "2001:db8::7"),
        (("for=6.6.6.6, for=203.0.113.7", "for=10.0.0.9"), "203.0.113.7"),
        (("for=6.6.6.6", "for=203.0.113.7"), "203.0.113.7"),
        (("for=203.0.113.7, for=unknown",), "10.0.0.1"),
        (("for=203.0.113.7, proto=https",), "10.0.0.1"),
        # A quotation mark that a client left open swallows no entry of the proxy's.
        (('for="6.6.6.6, for=203.0.113.7',), "10.0.0.1"),
        (('for="6.6.6.6', "for=203.0.113.7"), "203.0.113.7"),
        (("for",), "10.0.0.1"),
        # Elements of a list and parameters of an element may be empty.
        ((", for=203.0.113.7",), "203.0.113.7"),
        (("for=203.0.113.7,", " , ,for=10.0.0.9 , "), "203.0.113.7"),
        ((";for=203.0.113.7;", "", ","), "203.0.113.7"),
        (("for=203.0.113.7;proto=https,,",), "203.0.113.7"),
        (("for=203.0.113.7;;by=x, proto=http;",), "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(lines: tuple[str, ...], found: str) -> None:
    assert client("10.0.0.1", forwarded=lines) == found


def test_two_headers_that_disagree_count_for_nothing() -> None:
    # The proxy writes one of them and passes the other on as the client sent it.
    assert client("10.0.0.1", "203.0.113.7", forwarded=("for=6.6.6.6",)) == "10.0.0.1"
    assert client("10.0.0.1", "203.0.113.7", forwarded=("for=203.0.113.7",)) == "203.0.113.7"


@pytest.mark.parametrize(
    "written", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a00:0/104"]
)
def test_a_proxy_is_known_however_its_address_is_written(written: str) -> None:
    proxies = TrustedProxies(networks=parse_networks([written]))

    for peer in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"):
        assert proxies.client(peer, x_forwarded_for=["203.0.113.7"], forwarded=[]) == "203.0.113.7"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("a-socket", "a-socket"),
        (None, "None"),
    ],
)
def test_neighbours_in_a_network_are_one_client(address: str | None, counted: str) -> None:
    assert network_of(address) == counted


def test_networks_are_read_in_every_form_and_names_are_none() -> None:
    assert [str(n) for n in parse_networks([" 10.0.0.1/8", "::1", "::ffff:10.0.0.0/104"])] == [
        "10.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
    ]
    for wrong in ("proxy.internal", "10.0.0.0/33", "", "*"):
        with pytest.raises(ValueError, match="network"):
            parse_networks([wrong])


@pytest.mark.parametrize(
    "entry",
    [
        "203.0.113.7",
        "10.2.3.4",
        "127.0.0.1",
        "203.0.113.07",
        "203.0.113.256",
        "203.0.113",
        " 203.0.113.7 ",
        "203.0.113.7:443",
        "::ffff:203.0.113.7",
        "2001:db8::7",
        "6.6.6.6, 203.0.113.7",
        "0x7f.1",
        "unknown",
        "",
        "203.0.113.7\N{ARABIC-INDIC DIGIT SEVEN}",
    ],
)
def test_the_quick_reading_of_a_lone_address_says_what_the_full_one_says(entry: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": entry})
    peer = request.clone(remote="10.0.0.1")

    assert Clients(PROXIES).network(peer) == network_of(client("10.0.0.1", entry))


@pytest.mark.parametrize(
    ("headers", "network"),
    [
        ({}, "127.0.0.1"),
        # A program on the machine that asks through the proxy.
        ({"X-Forwarded-For": "127.0.0.1"}, "127.0.0.1"),
        ({"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"),
        ({"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=6.6.6.6"}, UNTOLD),
        ({"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=127.0.0.1"}, UNTOLD),
        ({"X-Forwarded-For": "203.0.113.7", "Forwarded": "proto=https"}, UNTOLD),
        ({"X-Forwarded-For": "unknown"}, UNTOLD),
    ],
)
def test_no_header_makes_a_client_the_machine_itself(headers: dict[str, str], network: str) -> None:
    request = make_mocked_request("GET", "/", headers=headers).clone(remote="127.0.0.1")

    assert Clients(PROXIES).network(request) == network
