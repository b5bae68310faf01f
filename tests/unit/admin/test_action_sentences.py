"""Each operator's action has a sentence, with units and plurals."""

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.admin.audit.filing import ACTORS, SUBJECTS
from waitroom.admin.audit.rule_words import RULES_IN_WORDS
from waitroom.admin.audit.sentences import PREDICATES, say_action
from waitroom.admin.bodies import RoomChange

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("create", {}, "made the room"),
    ("status", {"from": "scheduled", "to": "open"}, "opened the room"),
    ("status", {"from": "open", "to": "ended"}, "ended the sale"),
    ("status", {"from": "open", "to": "open"}, "set the room from open to open"),
    ("change", {"seats_max": [200, 300]}, "set the seats from 200 to 300"),
    (
        "change",
        {"claim_window_s": [45, 60], "fairness_public": [False, True], "closes_at": ["", None]},
        (
            "set the time to enter after a call from 45 seconds to 1 minute, turned the public "
            "fairness report on and removed the time of the closing"
        ),
    ),
    (
        "reset",
        {"lines": ["main-2"], "calls_taken_back": 1},
        "reset the room: everybody in line lost their place, and 1 call was taken back",
    ),
    ("archive", {}, "archived the room"),
    (
        "gate",
        {"when_away": ["closed", "open"], "triggers": [[], [{"path": "/a"}]]},
        (
            "changed the gate in front of the site: its state while this service is away and the "
            "triggers"
        ),
    ),
    ("copy_look", {"from": "spring"}, "took over the look of the room spring"),
    ("move", {"to": "autumn"}, "moved the room to the shard autumn"),
    (
        "copy_goods",
        {"from": "spring", "skus": 2, "units": 1},
        "took over 2 SKUs of the room spring, with 1 unit of each",
    ),
    ("save_look", {}, "changed the draft of its look"),
    ("publish_look", {"from": {}, "to": {}}, "showed the draft of its look to shoppers"),
    ("crowd", {"shoppers": 1}, "sent a test crowd of 1 shopper"),
    (
        "lane",
        {"line": "press-1", "share": 0.25},
        "set the share of the line press-1 in the calls to 25%",
    ),
    (
        "profile",
        {
            "from": None,
            "to": {"profile": "slow", "name": "Slow", "time_factor": 2, "places_max": 1},
        },
        "added the profile “Slow” for more time (2 times the time, for at most 1 person)",
    ),
    (
        "invite",
        {"batch": 3, "lane": "press", "count": 1},
        "made 1 invitation to the lane press (batch 3)",
    ),
    (
        "revoke invitations",
        {"batch": 3, "count": 1200},
        "took 1,200 unused invitations of batch 3 back",
    ),
    ("revoke", {"line": "main-1", "number": 7}, "took number 7 of the line main-1 away"),
    ("give back", {"line": "main-1", "number": 7}, "gave number 7 of the line main-1 back"),
    ("put behind", {"network": "ab12"}, "put the further places of network ab12 behind all others"),
    ("lift behind", {"network": "ab12"}, "let network ab12 join like all others again"),
    ("public_value", {"value": "4711"}, "gave the draw its public value, “4711”"),
    ("admit_seller", {"seller": "mia"}, "admitted the seller mia to the room"),
    ("withdraw_seller", {"seller": "mia"}, "withdrew the seller mia from the room"),
    ("add_product", {"product": "chair", "name": "Chair"}, "added the product “Chair”"),
    (
        "change_product",
        {"product": "chair", "changed": {"name": ["Chair", "Seat"], "description": ["", "Ash"]}},
        "changed the product chair: the name from “Chair” to “Seat” and the description",
    ),
    ("delete_product", {"product": "chair", "name": "Chair"}, "deleted the product “Chair”"),
    (
        "add_sku",
        {"sku": "chair-oak", "product": "chair", "name": "", "variant": "Oak", "price_minor": 2400},
        "added the SKU chair-oak, “Oak”, to the product chair at €24.00",
    ),
    ("add_sku", {"sku": "chair", "product": "chair", "low_at": 0}, "added the SKU chair"),
    (
        "change_sku",
        {
            "sku": "chair",
            "changed": {"price_minor": [2400, 1950], "limit_per_order": [None, 2]},
        },
        (
            "changed the SKU chair: the price from €24.00 to €19.50 and the most units in one "
            "order from no limit to 2"
        ),
    ),
    ("delete_sku", {"sku": "chair", "name": "Chair"}, "deleted the SKU chair, “Chair”"),
    (
        "received",
        {"sku": "chair", "quantity": 1, "on_hand": 9, "override": False},
        "received 1 unit of chair; 9 are on hand now",
    ),
    (
        "adjusted",
        {"sku": "chair", "quantity": -2, "on_hand": 7, "override": True},
        (
            "corrected the stock of chair by -2 units, below what is promised, held or sold; 7 "
            "are on hand now"
        ),
    ),
    (
        "import",
        {"rows": 12, "added": 1, "changed": 3, "received": 400, "delivery": "lorry 2"},
        ("imported 12 rows of the delivery “lorry 2”: 1 SKU added, 3 changed, 400 units received"),
    ),
    (
        "refund",
        {
            "order": "7KQ2-M4",
            "amount_minor": 4800,
            "items": [{"sku": "chair", "quantity": 2}],
            "restock": True,
            "by_hand": False,
        },
        "gave €48.00 of order 7KQ2-M4 back, for 2 units, with the units back in stock",
    ),
    (
        "cancel",
        {"order": "7KQ2-M4", "was": "authorizing", "restock": False},
        "cancelled order 7KQ2-M4, which was in payment",
    ),
    ("add_operator", {"operator": "bo", "role": "viewer"}, "made an account for bo, as viewer"),
    (
        "change_operator",
        {"operator": "bo", "role": ["viewer", "admin"], "active": [False, True], "password": "new"},
        (
            "changed the account of bo: set the role from viewer to admin, allowed the sign-in "
            "again and set a new password"
        ),
    ),
    (
        "sign_out_operator",
        {"operator": "bo", "sessions": 1},
        "signed bo out everywhere; 1 session was ended",
    ),
    (
        "add_key",
        {"key": "shop", "scopes": ["stock", "figures"], "rooms": ["drop", "may"]},
        "made the API key shop with the scopes stock and figures, for drop and may alone",
    ),
    (
        "add_key",
        {"key": "shop", "scopes": ["steer"], "expires_at": "2026-11-22T12:00:00+00:00"},
        "made the API key shop with the scopes steer, until 22 Nov 2026 12:00 UTC",
    ),
    (
        "add_factor",
        {"operator": "ann", "factor": "authenticator"},
        "set up an authenticator app as a second factor",
    ),
    (
        "remove_factor",
        {"operator": "ann", "factor": "passkey", "name": "Blue key"},
        "removed the passkey “Blue key” as a second factor",
    ),
    ("remove_factors", {"operator": "bo"}, "removed all second factors of bo"),
    (
        "link_provider",
        {"operator": "ann@shop.example"},
        "signed in at the identity provider for the first time",
    ),
    (
        "unlink_provider",
        {"operator": "bo"},
        "took the identity provider from the account of bo",
    ),
    ("make_recovery_codes", {"operator": "ann"}, "made new recovery codes"),
    ("use_recovery_code", {"operator": "ann"}, "signed in with a recovery code"),
    ("end_key", {"key": "shop"}, "ended the API key shop"),
    ("change_password", {"operator": "ann"}, "chose another password"),
    (
        "webhook_added",
        {"endpoint_id": 1, "url": "https://shop.example/…", "kinds": []},
        "added the webhook 1 (https://shop.example/…)",
    ),
    (
        "webhook_changed",
        {"endpoint_id": 1, "kinds": ["order.paid", "order.refunded"], "active": False},
        "changed the webhook 1: the events order.paid and order.refunded and paused",
    ),
    ("known_user", {"customer": "acme"}, "let the room speak KnownUser to the site acme"),
    ("known_user", {"customer": None}, "ended the room's KnownUser hand-over to its site"),
    ("known_user_secret", {"customer": "acme"}, "gave the site acme a new secret"),
    ("webhook_secret_rotated", {"endpoint_id": 1}, "gave the webhook 1 a new secret"),
    (
        "webhook_disabled",
        {"endpoint_id": 1, "why": "failing"},
        "turned the webhook 1 off: since all deliveries failed",
    ),
    ("webhook_deleted", {"endpoint_id": 1}, "deleted the webhook 1"),
    ("webhook_tested", {"endpoint_id": 1, "delivery_id": 9}, "sent a test to the webhook 1"),
    (
        "webhook_replayed",
        {"endpoint_id": 1, "delivery_id": 9},
        "sent delivery 9 to the webhook 1 again",
    ),
    (
        "webhook_failed_replayed",
        {"endpoint_id": 1, "since": "2026-11-28T19:00:00+00:00", "replayed": 1},
        "sent 1 failed delivery since 28 Nov 2026 19:00 UTC to the webhook 1 again",
    ),
]


@pytest.mark.parametrize(("kind", "detail", "sentence"), CASES)
def test_every_action_is_a_sentence(kind: str, detail: dict[str, Any], sentence: str) -> None:
    assert say_action("Ann", kind, detail, currency="EUR") == f"Ann {sentence}"


def test_every_kind_that_is_written_has_a_sentence_a_subject_and_a_case() -> None:
    kinds = set(written())

    assert kinds == set(PREDICATES)
    assert kinds == {kind for of_subject in SUBJECTS.values() for kind in of_subject}
    assert kinds == {kind for kind, _, _ in CASES}


def test_every_rule_that_operators_change_has_words() -> None:
    assert set(RoomChange.__struct_fields__) - {"reason"} == RULES_IN_WORDS


def test_an_actor_that_is_no_person_is_named_and_an_unknown_kind_is_shown_as_it_stands() -> None:
    assert say_action("cli", "create", {}, currency=None) == "The command line made the room"
    assert (
        say_action("Ann", "polish_moon", {"side": "far"}, currency=None)
        == "Ann did “polish moon” (side far)"
    )


@given(
    st.sampled_from([*PREDICATES, "unknown"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["from", "to", "changed", "items", "role", "quantity", "kinds"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
)
def test_no_detail_of_another_version_breaks_a_sentence(kind: str, detail: Any) -> None:
    assert say_action("Ann", kind, detail, currency="EUR").startswith("Ann ")


def written() -> Iterator[str]:
    """Yield every kind of action that the SQL and the API put on record."""
    for path in resources.files("waitroom").rglob("*.sql"):  # type: ignore[attr-defined]
        statements = re.findall(r"INSERT INTO operator_action .*?;", path.read_text(), re.DOTALL)
        for statement in statements:
            outside = _without_calls(statement)
            found = set(re.findall(r"'([a-z_ ]+)'", outside)) - set(ACTORS)
            # The kinds of movements of stock are those of the movement itself.
            yield from found or ({"received", "adjusted"} if "in_kind" in statement else ())
    for path in resources.files("waitroom").rglob("*.py"):  # type: ignore[attr-defined]
        yield from re.findall(r"_actions\.record\([^\"]*\"(\w+)\"", path.read_text())


def _without_calls(statement: str) -> str:
    """Return a statement without the arguments of the functions that build its details."""
    before = ""
    while before != statement:
        before = statement
        statement = re.sub(r"(jsonb_build_object|jsonb_strip_nulls|jsonb_build_array)\([^()]*\)",
                           "", statement)  # fmt: skip
        statement = re.sub(
            r"\b(count|sum|COALESCE|jsonb|to_jsonb|encode)\(([^()]*)\)", "", statement
        )
        statement = re.sub(r"FILTER \([^()]*\)|CASE \w+ WHEN '' THEN.*? END", "", statement)
    return statement
