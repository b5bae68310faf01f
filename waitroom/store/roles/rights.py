"""The rights of the running role on each table, beyond reading it."""

from collections.abc import Mapping
from typing import Final

# Only functions write these.
PROTECTED: Final = frozenset(
    {
        *("admission", "archived_count", "archived_stock", "call_mail", "choice", "clock_stop"),
        *("customer", "draw", "first_account", "gate", "gate_pass", "hold", "hold_change"),
        *("hold_line", "invitation_batch", "join_key", "known_user", "known_user_site"),
        *("lease_holder", "line", "log_entry", "log_head", "log_page", "migration", "off_sale"),
        *("operator", "operator_authenticator", "operator_recovery_code", "room_network"),
        "operator_person",
        *("order_transition", "outcome_elsewhere", "payment_attempt", "payment_event"),
        *("person_place", "picture", "place", "product", "profile", "purchase_line"),
        *("refund_line", "returns_wait", "revocation", "room", "room_home", "room_look"),
        *("room_seller", "room_stock", "sale_time", "shop", "signing_key", "sku", "sku_change"),
        *("spent_hand_over", "stock", "stock_movement", "wish"),
    }
)

# Statements of the stores write these. Where columns are named, only these can be changed: what an
# order costs and how far it has come is not among them.
WRITTEN: Final[Mapping[str, str]] = {
    # Accounts.
    "operator_session": "INSERT, UPDATE (used_at, proved_at, browser, network), DELETE",
    "api_key": "UPDATE (last_used_at)",
    "operator_passkey": "UPDATE (sign_count, last_used_at)",
    "operator_challenge": "INSERT, DELETE",
    "operator_step": "INSERT, DELETE",
    # Records that are only added to.
    "operator_action": "INSERT",
    "security_event": "INSERT",
    # The leader's word.
    "office": "UPDATE (leader)",
    "room_state": "UPDATE (version, body, published_at, is_final)",
    "room_series": "INSERT",
    "retention": "UPDATE (look_after)",
    "process_keys": "DELETE",
    # Leases of work that is driven on.
    "purchase": "UPDATE (drives, driven_until, driven_by)",
    "refund": "UPDATE (drives, driven_until, driven_by)",
    "gateway_comparison": "UPDATE",
    "stripe_payment": "INSERT",
    # Messages to the outside.
    "mail": "INSERT, UPDATE",
    "outbox_event": "INSERT, DELETE",
    "webhook_delivery": "INSERT, UPDATE, DELETE",
    "webhook_endpoint": "INSERT, UPDATE, DELETE",
    # Notes of changes, taken by the readers that they are for.
    "journey_change": "DELETE",
    "choice_change": "DELETE",
}
