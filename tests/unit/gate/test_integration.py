"""The configuration of a site, as a connector evaluates it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.kit.doors.decoding import words_of
from waitroom.gate.known_user.integration import (
    KNOWN_USER_CHANGE,
    Configuration,
    Integrated,
    KnownUserRules,
    Speaker,
    TriggerPart,
    configuration,
)
from waitroom.gate.known_user.protocol import configuration_key
from waitroom.gate.trigger import SiteRequest, Trigger, is_protected

SECRET = "f3a1" * 16

segments = st.sampled_from(["shop", "help", "a", "shopping"])
paths = st.lists(segments, max_size=3).map(lambda found: "/" + "/".join(found))
patterns = st.just("") | paths | paths.map(lambda path: f"{path}*") | st.just("*/help")
triggers = st.lists(
    st.tuples(patterns, st.sampled_from(["", "a", "a=1", "a="]), st.booleans())
    .filter(lambda one: bool(one[0] or one[1]))
    .map(lambda one: Trigger(path=one[0], cookie=one[1], lets_pass=one[2])),
    max_size=4,
)


def of(
    rules: KnownUserRules, found: list[Trigger], *, at: str = "https://queue.example"
) -> Configuration:
    speaker = Speaker(room="drop", rules=rules, secret=SECRET)
    room = Integrated(speaker=speaker, triggers=found, session_min=10)
    return configuration("acme", [room], base_url=at)


def holds(part: TriggerPart, url: str, cookies: dict[str, str]) -> bool:
    """Compare as the connector does (`ComparisonOperatorHelper`)."""
    path = url.removeprefix("https://shop.example")
    value = {"PageUrl": url, "PagePath": path}.get(part.url_part, cookies.get(part.cookie_name, ""))
    wanted = part.value_to_compare
    if part.operator == "Contains" and wanted == "*" and value:
        return True
    if part.is_ignore_case:
        value, wanted = value.upper(), wanted.upper()
    return wanted in value if part.operator == "Contains" else wanted == value


def action_of(found: Configuration, url: str, cookies: dict[str, str]) -> str:
    for one in found.integrations:
        for trigger in one.triggers:
            if all(holds(part, url, cookies) for part in trigger.trigger_parts):
                return one.action_type
    return ""


@given(found=triggers, path=paths, cookies=st.sampled_from([{}, {"a": "1"}, {"a": "2"}]))
def test_a_connector_lets_no_request_pass_that_the_room_would_stop(
    found: list[Trigger], path: str, cookies: dict[str, str]
) -> None:
    told = of(KnownUserRules(customer="acme", event="drop"), found)
    sent = {name: [value] for name, value in cookies.items()}

    protected = is_protected(SiteRequest(path=path, cookies=sent, headers={}), found)

    if protected:
        assert action_of(told, f"https://shop.example{path}", cookies) == "Queue"


def test_a_room_is_told_as_connectors_read_it() -> None:
    rules = KnownUserRules(customer="acme", event="drop", cancel_path="/left", extends=True)
    found = [
        Trigger(path="/shop/*/buy", header="X-App: 1"),
        Trigger(path="/shop/help", lets_pass=True),
        Trigger(path="/static*", lets_pass=True),
    ]

    told = msgspec.to_builtins(of(rules, found))

    assert (told["CustomerId"], len(told["Integrations"])) == ("acme", 3)
    cancel, ignore, queue = told["Integrations"]
    assert [one["ActionType"] for one in (cancel, ignore, queue)] == ["Cancel", "Ignore", "Queue"]
    assert (queue["EventId"], queue["QueueDomain"]) == ("drop", "queue.example")
    assert (queue["QueuePathPrefix"], queue["ExtendCookieValidity"]) == ("known-user", True)
    assert (queue["CookieValidityMinute"], queue["IsCookieSecure"]) == (10, True)
    (trigger,) = queue["Triggers"]
    assert trigger["LogicalOperator"] == "And"
    assert [(one["ValidatorType"], one["ValueToCompare"]) for one in trigger["TriggerParts"]] == [
        ("UrlValidator", "/shop/"),
        ("UrlValidator", "/buy"),
        ("HttpHeaderValidator", "1"),
    ]
    below = of(rules, [], at="http://shop.example:81/queue").integrations[0]
    assert (below.queue_domain, below.queue_path_prefix) == ("shop.example:81", "queue/known-user")
    assert not below.is_cookie_secure
    # "Begins with" cannot be said, so an exception with a star is none.
    assert [len(one["Triggers"]) for one in (cancel, ignore)] == [1, 1]
    assert ignore["Triggers"][0]["TriggerParts"][0]["Operator"] == "Equals"


def test_another_content_has_another_version() -> None:
    rules = KnownUserRules(customer="acme", event="drop")
    versions = {of(rules, found).version for found in ([], [Trigger(path="/a")])}

    assert len(versions) == 2
    assert of(rules, []).version in versions
    assert all(versions)


def test_the_key_to_the_configuration_is_no_secret_and_opens_nothing_else() -> None:
    speaker = Speaker(room="drop", rules=KnownUserRules(customer="acme"), secret=SECRET)

    assert speaker.opens(configuration_key(SECRET))
    for key in ("", SECRET, configuration_key("other"), "é", "\udcff"):
        assert not speaker.opens(key)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer": "a_b"},
        {"customer": "acme", "event": "Drop"},
        {"customer": "multiple"},
        {"customer": "acme", "cookie_domain": "a;b"},
        {"customer": "acme", "cancel_path": "left"},
        {"customer": "acme", "secret": "mine"},
    ],
)
def test_rules_that_the_protocol_cannot_carry_are_refused(body: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        KNOWN_USER_CHANGE.decode(msgspec.json.encode(body))


def test_a_name_that_is_refused_is_told_in_words() -> None:
    for field in ("customer", "event", "cookie_domain"):
        body = {"customer": "acme", field: "A b"}
        with pytest.raises(msgspec.ValidationError) as refused:
            KNOWN_USER_CHANGE.decode(msgspec.json.encode(body))
        assert words_of(refused.value).startswith("It "), field


def test_the_event_is_the_room_unless_it_has_a_name() -> None:
    plain = KNOWN_USER_CHANGE.decode(b'{"customer": "acme"}')
    named = KNOWN_USER_CHANGE.decode(b'{"customer": "acme", "event": "autumn"}')

    assert [one.rules("drop").event for one in (plain, named)] == ["drop", "autumn"]
