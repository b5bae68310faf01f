"""The actor of an action, and the subject under which an action is filed. Pure."""

# Names under which the program itself acts, and how a sentence begins with them.
ACTORS = {
    "cli": "The command line",
    "schedule": "The schedule",
    "webhooks": "The sender of webhooks",
    "demonstration": "The demonstration",
    "program": "The program",
}
# A program acts under the name of its key, after this word; operators' names have no spaces.
KEY_ACTOR = "key "
# The kinds by the word of the filter that finds them.
SUBJECTS = {
    "rooms": (
        *("create", "status", "change", "reset", "archive", "move", "crowd"),
        *("save_look", "publish_look", "copy_look", "gate"),
        *("known_user", "known_user_secret"),
    ),
    "line": (
        *("lane", "profile", "invite", "revoke invitations", "revoke", "public_value"),
        *("give back", "put behind", "lift behind"),
        *("admit_seller", "withdraw_seller"),
    ),
    "goods": (
        *("add_product", "change_product", "delete_product", "add_sku", "change_sku"),
        *("delete_sku", "received", "adjusted", "import", "copy_goods"),
    ),
    "orders": ("refund", "cancel"),
    "people": (
        *("add_operator", "change_operator", "sign_out_operator", "change_password"),
        *("add_factor", "remove_factor", "remove_factors"),
        *("link_provider", "unlink_provider"),
        *("make_recovery_codes", "use_recovery_code"),
        *("add_key", "end_key"),
    ),
    "webhooks": (
        *("webhook_added", "webhook_changed", "webhook_secret_rotated", "webhook_disabled"),
        *("webhook_deleted", "webhook_tested", "webhook_replayed", "webhook_failed_replayed"),
    ),
}


def actor_of(who: str) -> str:
    """Return how a sentence begins with the one who acted: a person, a key or the program."""
    if who.startswith(KEY_ACTOR):
        return f"The {who}"
    return ACTORS.get(who, who)


def subject_of(kind: str) -> str:
    return next((subject for subject, kinds in SUBJECTS.items() if kind in kinds), "")
