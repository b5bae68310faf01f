"""Triggers: which requests need a session, and what slips past none of them."""

from typing import Any

import msgspec
import pytest

from inventory.kit.doors.decoding import field_of
from waitroom.gate.rules import GATE_CHANGE
from waitroom.gate.trigger import SiteRequest, Trigger, is_protected


def asked(path: str, cookies: Any = None, headers: Any = None) -> SiteRequest:
    return SiteRequest(path=path, cookies=cookies or {}, headers=headers or {})


CHECKOUT = [Trigger(path="/Checkout")]

SAME_PAGE = [
    "/checkout",
    "/CHECKOUT/pay",
    "//checkout",
    "/./checkout",
    "/x/../checkout",
    "/%63heckout",
    "/%2563heckout",
    "/%2fcheckout",
    "/x/..%2fcheckout",
    "/x%5c..%5ccheckout",
    "\\checkout",
    "/checkout;jsessionid=1/pay",
    "/checkout;/../public",
    "/;a=b/checkout",
    "/check%00out",
    "/checkout%00.css",
    "/checkout%3fpublic",
    "/checkout%2523public",
    "/\uff43heckout",
    "/checkout/../checkout/.",
    # One server resolves the dots, another serves a file of that name.
    "/checkout/..%2f..%2fpublic",
]
OTHER_PAGE = ["/", "/checkouts", "/shop/checkout", "/public", "/checkout-help", ""]


def test_a_protected_path_is_protected_in_every_reading() -> None:
    assert [path for path in SAME_PAGE if not is_protected(asked(path), CHECKOUT)] == []
    assert [path for path in OTHER_PAGE if is_protected(asked(path), CHECKOUT)] == []


def test_a_path_is_exempt_only_if_every_server_reads_it_so() -> None:
    rules = [Trigger(path="/static", lets_pass=True), Trigger(path="*.css", lets_pass=True)]
    slips = [
        "/static/../checkout",
        "/static/..%2fcheckout",
        "/static/%2e%2e/checkout",
        "/static;/../checkout",
        "/checkout;.css",
        "/checkout/%2e%2e/static",
        "/checkout%3b.css",
        "/checkout%00.css",
        "/checkout%3f.css",
        "/checkout#.css",
        "/static#/../../checkout",
    ]

    assert not is_protected(asked("/static/app.js"), rules)
    assert not is_protected(asked("/look/site.CSS"), rules)
    assert [path for path in slips if not is_protected(asked(path), rules)] == []
    assert is_protected(asked("/"), rules)


def test_conditions_of_one_trigger_hold_together_and_triggers_each_alone() -> None:
    rules = [
        Trigger(path="/drop", cookie="beta=yes"),
        Trigger(header="X-App: ios"),
        Trigger(cookie="vip"),
        Trigger(path="/drop/*.json", lets_pass=True),
    ]

    assert is_protected(asked("/drop", {"beta": ["no", "yes"]}), rules)
    assert not is_protected(asked("/drop", {"beta": ["no"]}), rules)
    assert not is_protected(asked("/other", {"beta": ["yes"]}), rules)
    assert is_protected(asked("/other", headers={"x-app": [" ios "]}), rules)
    assert not is_protected(asked("/other", headers={"x-app": ["android"]}), rules)
    assert is_protected(asked("/other", {"vip": [""]}), rules)
    assert not is_protected(asked("/drop/stock.json", {"vip": [""]}), rules)
    assert is_protected(asked("/anything"), [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"triggers": [{}]}', "triggers"),
        ('{"triggers": [{"path": "checkout"}]}', "triggers"),
        ('{"triggers": [{"path": "/a*b*c"}]}', "triggers"),
        ('{"triggers": [{"path": "/a?b"}]}', "triggers"),
        ('{"triggers": [{"cookie": "a b"}]}', "triggers"),
        ('{"triggers": [{"header": "X-A=1"}]}', "triggers"),
        ('{"triggers": [{"path": "/a", "host": "b"}]}', "triggers"),
        ('{"return_addresses": ["https://ok.example", "javascript:x"]}', "return_addresses"),
        ('{"when_away": "maybe"}', "when_away"),
        ('{"pass_s": 29}', "pass_s"),
        ('{"was": {"pass_s": 1}}', "pass_s"),
    ],
)
def test_a_refusal_names_the_rule(body: str, field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        GATE_CHANGE.decode(body)

    assert field_of(refused.value) == field
