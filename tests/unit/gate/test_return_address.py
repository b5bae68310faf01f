"""Return addresses: what the allow-list takes, and what an attacker tries."""

import pytest

from waitroom.gate.return_address import allowed, parse_entry

LIST = ["https://shop.example", "https://other.example:8443/drop", "http://127.0.0.1:9000"]

GOOD = {
    "https://shop.example": "https://shop.example/",
    "https://shop.example/checkout?a=1&b=https://x#top": (
        "https://shop.example/checkout?a=1&b=https://x#top"
    ),
    "HTTPS://SHOP.example:443/Checkout": "https://shop.example/Checkout",
    "https://other.example:8443/drop": "https://other.example:8443/drop",
    "https://other.example:8443/drop/pay/": "https://other.example:8443/drop/pay/",
    "http://127.0.0.1:9000/x": "http://127.0.0.1:9000/x",
}
BAD = [
    "",
    "/checkout",
    "//shop.example/",
    "https:shop.example",
    "https:/shop.example/",
    "https:///shop.example/",
    "http://shop.example/",
    "javascript:alert(1)",
    "javascript://shop.example/%0aalert(1)",
    "data:text/html,x",
    "https://shop.example.evil.example/",
    "https://shop.example@evil.example/",
    "https://user@shop.example/",
    "https://user:pw@shop.example/",
    "https://shop.example:444/",
    "https://evil.example\\@shop.example/",
    "https://shop.example\\evil",
    "https://shop.example/\tx",
    "https://shop.example/a b",
    " https://shop.example/",
    "https://shop.example/\n",
    "https://shop.example/\0",
    "https://sh\u00f6p.example/",
    "https://shop.example\u3002evil/",
    "https://evil.example/https://shop.example/",
    "https://evil.example?https://shop.example/",
    "https://evil.example#@shop.example/",
    "https://other.example:8443/",
    "https://other.example:8443/dropped",
    "https://other.example:8443/drop/../admin",
    "https://other.example:8443/drop/%2e%2e/admin",
    "https://other.example:8443/drop/%252e%252e/admin",
    "https://other.example:8443/drop/..%2fadmin",
    "https://other.example:8443/drop/..%5cadmin",
    "https://other.example:8443/drop/..;/admin",
    "https://other.example:8443/x/../drop",
    "https://shop.example/" + "a" * 2000,
]


def test_an_address_on_the_list_comes_back_in_its_plain_form() -> None:
    assert {address: allowed(address, LIST) for address in GOOD} == GOOD


def test_no_address_beside_the_list_is_taken_for_one_on_it() -> None:
    assert [address for address in BAD if allowed(address, LIST) is not None] == []
    assert [address for address in GOOD if allowed(address, []) is not None] == []


def test_entries_are_kept_in_one_form() -> None:
    assert parse_entry(" HTTPS://Shop.Example:443/ ") == "https://shop.example"
    assert parse_entry("https://shop.example/Pay") == "https://shop.example/Pay"
    assert parse_entry("http://localhost:8000") == "http://localhost:8000"


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "shop.example",
        "http://shop.example",
        "http://localhost.evil",
        "https://*.shop.example",
        "https://u@shop.example",
        "https://shop.example/?a=1",
        "https://shop.example/#a",
        "https://shop.example/a/../b",
        "https://shop.example//a",
        "https://shop.example/%61",
        "https://shop.example/a b",
        "javascript:alert(1)",
        "https://" + "a" * 300,
    ],
)
def test_an_entry_that_says_something_else_than_it_seems_to_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"It |Its |this is |a port|host"):
        parse_entry(entry)
