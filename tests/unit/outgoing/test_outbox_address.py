"""Where webhooks may be sent, and where never."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.outgoing.outbox.address import check_url, is_public
from waitroom.outgoing.outbox.webhook_client import PrivateAddress, _vetted_socket
from waitroom.refusals import AddressRefused

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "2606:4700:4700::1111"]
PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
    "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2001:0:53aa:64c:0:0:0:1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%1", "fec0::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_the_worlds_are_refused(address: str) -> None:
    assert not is_public(address)
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        check_url(f"https://{literal}/hook", allow_private=False)


@given(st.ip_addresses())
def test_nothing_that_the_standard_library_calls_private_is_allowed(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_refused(inner: IPv4Address) -> None:
    number = int(inner)
    embedded = [
        IPv6Address(number),
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x0064FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    ]

    assert not any(is_public(str(address)) for address in embedded)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "1.1.1.1 ", "1.1.1.1\x00"]
)
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com",
        "https://example.com:8443/a/b?c=d&e=%20",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
        "HTTPS://EXAMPLE.COM/hook",
        "https://xn--bcher-kva.example/",
        "https://example.com?who=a@b.example",
    ],
)
def test_a_plain_https_url_is_allowed(url: str) -> None:
    assert check_url(url, allow_private=False).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "//example.com/hook",
        "http://example.com/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "https:example.com",
        "https://",
        "https:///hook",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://@example.com/",
        "https://ex%61mple.com/",
        "https://-/",
        "https://example.com@127.0.0.1/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/#fragment",
        "https://example.com/#",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:no/",
        "https://exa mple.com/",
        " https://example.com/",
        "https://example.com/\r\nX: y",
        "https://example.com/\x00",
        "https://bücher.example/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://8.8.8.8./",
        "https://1.1.1/",
        "https://[::1/",
        "https://[v1.x]/",
        "https://example.com/?",
        "https://example.com/hook?",
        f"https://example.com/{'x' * 2000}",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, allow_private=False)


@pytest.mark.parametrize(
    "typed",
    [
        "/a%2Fb%3Ac/%28x%29/%7Eu",
        "/flow?sp=%2Ftriggers%2Fmanual%2Frun&sig=rX7%2BAn%2FXCC2w%3D",
        "/q?c[]=3",
        "/x/../y/./z",
        "/%zz",
        "/",
        "//x;a=b?c=d&e",
    ],
)
def test_path_and_query_are_sent_as_they_were_typed(typed: str) -> None:
    url = check_url(f"https://EXAMPLE.com:443{typed}", allow_private=False)

    assert url.raw_path_qs == typed
    assert (url.raw_host, url.port) == ("example.com", 443)


@given(st.text(max_size=60))
def test_no_text_breaks_the_guard(text: str) -> None:
    for candidate in (
        text,
        f"https://{text}",
        f"https://{text}/hook",
        f"https://example.com/{text}",
    ):
        try:
            url = check_url(candidate, allow_private=False)
        except AddressRefused:
            continue
        assert (url.scheme, url.user, url.password) == ("https", None, None)


def test_where_it_is_allowed_http_and_private_addresses_pass() -> None:
    assert check_url("http://127.0.0.1:8081/hook", allow_private=True).port == 8081
    with pytest.raises(AddressRefused):
        check_url("http://user@127.0.0.1/hook", allow_private=True)


@pytest.mark.parametrize("address", PRIVATE[:-6])
def test_no_socket_is_made_for_an_address_that_is_not_public(address: str) -> None:
    with pytest.raises(PrivateAddress):
        _vetted_socket((2, 1, 6, "", (address, 443)))
