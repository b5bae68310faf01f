"""Security events as sentences: "ann signed in". Pure.

`PREDICATES` has a predicate for every kind of event that an operator causes, and `ATTEMPTS` has
the words for what strangers try; a test compares both with the kinds that are noted.
"""

from collections.abc import Callable, Mapping
from datetime import UTC

import msgspec

from inventory.kit.doors.decoding import Json
from inventory.kit.tables.writing import write_rows
from waitroom.admin.accounts.events import SecurityEvent
from waitroom.admin.audit.filing import actor_of
from waitroom.admin.audit.rule_words import listed, plain
from waitroom.admin.audit.sentences import counted

COLUMNS = ("at", "kind", "who", "network", "count", "since", "sentence", "detail")

# What the filter calls the subjects of events, and the kinds of each.
SUBJECTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "sign_ins": (
        "Sign-ins and sign-outs",
        (
            *("signed_in", "signed_in_again", "signed_out", "sessions_ended"),
            *("sign_in_failed", "sign_in_limited", "factor_failed", "recovery_code_used"),
        ),
    ),
    "rights": (
        "People, passwords and factors",
        (
            *("operator_added", "operator_changed", "password_changed", "provider_linked"),
            *("factor_added", "factor_removed", "recovery_codes_made"),
        ),
    ),
    "keys": (
        "Keys and secrets",
        (
            *("key_added", "key_ended", "webhook_added", "webhook_moved", "webhook_deleted"),
            *("webhook_secret_rotated", "site_secret_made"),
        ),
    ),
    "exports": ("Exports", ("exported",)),
    "attempts": (
        "What was refused to strangers",
        (
            *("sign_in_failed", "sign_in_limited", "factor_failed", "key_refused"),
            *("first_code_refused", "cross_site_refused", "places_moved"),
        ),
    ),
}
_FILES = {
    "orders": "the orders",
    "actions": "the record of actions",
    "invitations": "the invitations of people",
    "security_events": "the log of security events",
}
_FACTORS = {
    "authenticator": "an authenticator app",
    "passkey": "a passkey",
    "provider": "the identity provider",
    "recovery_code": "a recovery code",
}

Words = Callable[[Json], str]


def _of(detail: Json, name: str) -> str:
    return plain(detail.get(name))


def _signed_in(detail: Json) -> str:
    factor, by = detail.get("factor"), detail.get("by")
    how = f" with {_FACTORS.get(str(factor), plain(factor))}" if factor else ""
    return f"signed in{how}" + (f" by {plain(by)}" if by else "")


def _changed(detail: Json) -> str:
    shown: dict[str, Callable[[], str]] = {
        "role": lambda: f"the role to {_of(detail, 'role')}",
        "active": lambda: "that they may sign in" if detail["active"] else "that they may not",
        "password": lambda: "a new password",
    }
    changes = listed(say() for name, say in shown.items() if name in detail)
    return f"changed the account of {_of(detail, 'operator')}: {changes or 'nothing'}"


def _exported(detail: Json) -> str:
    what = _FILES.get(str(detail.get("what")), _of(detail, "what"))
    return f"saved {what}" + (f" of the room {_of(detail, 'room')}" if "room" in detail else "")


def _factor(verb: str) -> Words:
    def say(detail: Json) -> str:
        factor = detail.get("factor")
        whose = f" of {_of(detail, 'operator')}" if "operator" in detail else ""
        return f"{verb} {_FACTORS.get(str(factor), 'a second factor')}{whose}"

    return say


def _ended(detail: Json) -> str:
    count, whose = detail.get("sessions"), detail.get("operator")
    said = "sessions" if count is None else counted(count, "session", "sessions")
    return f"ended {said} of " + (plain(whose) if whose else "their own")


PREDICATES: Mapping[str, Words] = {
    "signed_in": _signed_in,
    "signed_in_again": lambda _: "signed in again before a dangerous act",
    "signed_out": lambda _: "signed out",
    "sessions_ended": _ended,
    "factor_added": _factor("added"),
    "factor_removed": _factor("removed"),
    "recovery_codes_made": lambda _: "made new recovery codes",
    "recovery_code_used": lambda _: "used a recovery code",
    "operator_added": lambda detail: (
        f"made an account for {_of(detail, 'operator')} as {_of(detail, 'role')}"
        if "operator" in detail
        else "made the first account"
    ),
    "operator_changed": _changed,
    "password_changed": lambda _: "changed their own password",
    "provider_linked": lambda detail: (
        f"linked the account of {_of(detail, 'operator')} to the identity provider"
        if detail.get("linked", True)
        else f"took the identity provider from the account of {_of(detail, 'operator')}"
    ),
    "key_added": lambda detail: (
        f"made the API key {_of(detail, 'key')} for {_of(detail, 'scopes')}"
    ),
    "key_ended": lambda detail: (
        f"ended the API key {_of(detail, 'key')}"
        if "key" in detail
        else f"ended the API key with the id {_of(detail, 'key_id')}"
    ),
    "webhook_added": lambda detail: f"added the webhook {_of(detail, 'url')}",
    "webhook_moved": lambda detail: f"moved a webhook to {_of(detail, 'url')}",
    "webhook_secret_rotated": lambda detail: (
        f"replaced the secret of webhook {_of(detail, 'endpoint_id')}"
    ),
    "webhook_deleted": lambda detail: f"deleted the webhook {_of(detail, 'url')}",
    "site_secret_made": lambda detail: f"gave the site of the room {_of(detail, 'room')} new keys",
    "exported": _exported,
}
# Attempts of strangers: the words for one event, and for a number of them.
ATTEMPTS: Mapping[str, tuple[str, str]] = {
    "sign_in_failed": ("An attempt to sign in failed", "attempts to sign in failed"),
    "sign_in_limited": (
        "An attempt to sign in was refused, since there were too many",
        "attempts to sign in were refused, since there were too many",
    ),
    "factor_failed": ("A second factor was wrong", "second factors were wrong"),
    "key_refused": (
        "A request came with an API key that is not in force",
        "requests came with API keys that are not in force",
    ),
    "first_code_refused": (
        "A wrong code was given for the first account",
        "wrong codes were given for the first account",
    ),
    "cross_site_refused": (
        "A change that a page of another site sent was refused",
        "changes that pages of other sites sent were refused",
    ),
    "places_moved": ("A place was moved to another device", "places were moved to other devices"),
}
_WHY = {
    "wrong_password": "with a wrong password",
    "inactive": "though the account may not sign in",
    "unknown_name": "with a name that no operator has",
    "no_account": "by the identity provider, without an account here",
    "provider": "at the identity provider",
}


def say_event(event: SecurityEvent) -> str:
    """Return the sentence for an event, without a full stop."""
    detail = event.detail
    if (predicate := PREDICATES.get(event.kind)) is not None:
        return f"{actor_of(event.who)} {predicate(detail)}"
    one, many = ATTEMPTS.get(event.kind, (f"“{event.kind}” happened", f"of “{event.kind}”"))
    said = one if event.count == 1 and event.since is None else f"{plain(event.count)} {many}"
    names = [event.who] if event.who else detail.get("names")
    if names:
        said += f", as {plain(names)}"
    why = _WHY.get(str(detail.get("why")), "")
    if why:
        said += f", {why}"
    if "unknown" in detail:
        said += f" (mark {_of(detail, 'unknown')})"
    return said


def header() -> str:
    return write_rows([COLUMNS])


def rows_of(events: list[SecurityEvent]) -> str:
    """Return events as lines of a file, in the order of `COLUMNS`, each cell guarded."""
    return write_rows(_row(event) for event in events)


def _row(event: SecurityEvent) -> list[str]:
    def moment(at: object) -> str:
        return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at is not None else ""

    return [
        moment(event.at.astimezone(UTC)),
        event.kind,
        event.who,
        event.network,
        str(event.count),
        moment(event.since and event.since.astimezone(UTC)),
        say_event(event),
        msgspec.json.encode(event.detail).decode(),
    ]
