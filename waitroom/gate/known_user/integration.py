"""KnownUser V3 between rooms and a site: the rules, and the configuration that connectors pull.

Pure. The configuration lists *integrations*; the first whose triggers fit a request decides. The
protocol compares by "equals" and "contains" alone. A path that needs a session, with everything
below it, becomes "contains", which protects rather more. A path that a room lets pass becomes
"equals", which lets rather less pass. So a request with a plainly written path never gets through
that the room's own triggers would stop. A connector does not decode paths, though, as the room's
own check does.
"""

import hmac
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from inventory.kit.doors.decoding import decoder, grammar
from inventory.kit.doors.texts import Note
from waitroom.gate.known_user.protocol import NAME, configuration_key, keyed_hash
from waitroom.gate.trigger import PathPattern, Trigger

_NAMED = "1 to 63 small letters, digits and hyphens, a letter or digit first"
# The protocol's addresses keep one name for all rooms of a site.
Customer = Annotated[
    str, grammar(rf"\A(?!multiple\Z){NAME.pattern}\Z", f"It has {_NAMED}, and is not multiple")
]
Event = Annotated[str, grammar(rf"\A({NAME.pattern})?\Z", f"It is empty, or has {_NAMED}")]
CookieDomain = Annotated[
    str,
    grammar(
        r"\A(\.?[a-z0-9.-]{1,253})?\Z",
        "It is empty, or a domain such as shop.example in small letters",
    ),
]
# Below this path the protocol's addresses never meet those of the service or of a shop.
PATH_PREFIX = "known-user"


class KnownUserRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a room speaks KnownUser V3.

    `customer` names the site, and all rooms of one site share its secret; `event` names the room to
    the site, by the room's own name if it is "". With `extends` the site's cookie is renewed while
    its visitor is active, and ends with the session otherwise. `binds_address` binds a token to the
    network address of the shopper. `cookie_domain` is where the site's cookie holds, "" for its own
    host. A visitor who opens `cancel_path` of the site, "" for none, gives the session up.
    """

    customer: Customer
    event: Event = ""
    extends: bool = False
    binds_address: bool = False
    cookie_domain: CookieDomain = ""
    cancel_path: PathPattern = ""


class KnownUserChange(KnownUserRules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules to put in place of those that stand, and why."""

    reason: Note = ""

    def rules(self, room: str) -> KnownUserRules:
        """Return the rules alone, with the event spelt out."""
        kept = {name: getattr(self, name) for name in KnownUserRules.__struct_fields__}
        return KnownUserRules(**{**kept, "event": self.event or room})


KNOWN_USER_RULES = decoder(KnownUserRules)
KNOWN_USER_CHANGE = decoder(KnownUserChange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A room that speaks to a site, with the secret that both know."""

    room: str
    rules: KnownUserRules
    secret: str

    def address_hash(self, address: str) -> str:
        """Return what binds a token to a network address, "" where the room binds none."""
        return keyed_hash(address, self.secret) if self.rules.binds_address else ""

    def opens(self, key: str) -> bool:
        """Say whether a key is the one to the site's configuration."""
        # A header may have bytes that are no text.
        given = key.encode(errors="surrogateescape")
        return hmac.compare_digest(configuration_key(self.secret).encode(), given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrated:
    """A room as the configuration tells of it: with its triggers and its minutes in the shop."""

    speaker: Speaker
    triggers: Sequence[Trigger]
    session_min: int


class TriggerPart(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One comparison of a request."""

    validator_type: str
    operator: Literal["Equals", "Contains"]
    value_to_compare: str
    url_part: str = ""
    cookie_name: str = ""
    http_header_name: str = ""
    is_negative: bool = False
    is_ignore_case: bool = True


class TriggerBody(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Comparisons that hold all together."""

    trigger_parts: list[TriggerPart]
    logical_operator: Literal["And"] = "And"


class Integration(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What connectors do with requests that fit one of the triggers."""

    name: str
    action_type: Literal["Queue", "Cancel", "Ignore"]
    event_id: str
    triggers: list[TriggerBody]
    queue_domain: str
    queue_path_prefix: str
    cookie_domain: str
    extend_cookie_validity: bool
    cookie_validity_minute: int
    redirect_logic: Literal["AllowTParameter"] = "AllowTParameter"
    forced_target_url: str = ""
    layout_name: str = ""
    culture: str = ""
    is_cookie_http_only: bool = True
    is_cookie_secure: bool = True


class Configuration(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The configuration of a site. Another content has another version."""

    customer_id: str
    version: int
    integrations: list[Integration]


def configuration(customer: str, rooms: Sequence[Integrated], *, base_url: str) -> Configuration:
    """Return what a site's connector is to do; `base_url` is this service as browsers know it."""
    found = [one for room in rooms for one in _integrations(room, urlsplit(base_url))]
    # Connectors read 0 as no configuration.
    version = zlib.crc32(msgspec.json.encode(found)) or 1
    return Configuration(customer_id=customer, version=version, integrations=found)


def _integrations(room: Integrated, service: SplitResult) -> Iterator[Integration]:
    """Return the integrations of a room, in the order in which they are to be tried."""
    rules = room.speaker.rules
    ending = [[_path("Equals", rules.cancel_path)]] if rules.cancel_path else []
    exempt = [parts for one in room.triggers if one.lets_pass and (parts := _exempt(one))]
    protecting = [_protecting(one) for one in room.triggers if not one.lets_pass]
    actions: list[tuple[Literal["Cancel", "Ignore", "Queue"], list[list[TriggerPart]]]] = [
        ("Cancel", ending),
        ("Ignore", exempt),
        ("Queue", protecting or [[_EVERYTHING]]),
    ]
    for action, triggers in actions:
        if triggers:
            yield Integration(
                name=f"{rules.event} {action.lower()}",
                action_type=action,
                event_id=rules.event,
                triggers=[TriggerBody(trigger_parts=parts) for parts in triggers],
                queue_domain=service.netloc,
                queue_path_prefix=f"{service.path}/{PATH_PREFIX}".strip("/"),
                cookie_domain=rules.cookie_domain,
                extend_cookie_validity=rules.extends,
                cookie_validity_minute=room.session_min,
                is_cookie_secure=service.scheme == "https",
            )


def _path(operator: Literal["Equals", "Contains"], value: str) -> TriggerPart:
    return TriggerPart(
        validator_type="UrlValidator",
        url_part="PagePath",
        operator=operator,
        value_to_compare=value,
    )


# A star that is contained stands for any text but an empty one.
_EVERYTHING = TriggerPart(
    validator_type="UrlValidator", url_part="PageUrl", operator="Contains", value_to_compare="*"
)


def _protecting(trigger: Trigger) -> list[TriggerPart]:
    """Return comparisons that hold for every request that meets the trigger."""
    pieces = [piece for piece in trigger.path.rstrip("/").split("*") if piece]
    return [*(_path("Contains", piece) for piece in pieces), *_carried(trigger)] or [_EVERYTHING]


def _exempt(trigger: Trigger) -> list[TriggerPart]:
    """Return comparisons that hold for no request but those that meet the trigger; or none."""
    # No comparison tells an empty value from none at all.
    if "*" in trigger.path or trigger.cookie.endswith("=") or trigger.header.endswith(":"):
        return []
    return [*([_path("Equals", trigger.path)] if trigger.path else []), *_carried(trigger)]


def _carried(trigger: Trigger) -> Iterator[TriggerPart]:
    """Return the comparisons of a trigger's cookie and header."""
    name, _, value = trigger.cookie.partition("=")
    if name:
        yield TriggerPart(
            validator_type="CookieValidator",
            cookie_name=name,
            operator="Equals" if value else "Contains",
            value_to_compare=value or "*",
            is_ignore_case=False,
        )
    name, _, value = trigger.header.partition(":")
    if name:
        yield TriggerPart(
            validator_type="HttpHeaderValidator",
            http_header_name=name,
            operator="Equals" if value.strip() else "Contains",
            value_to_compare=value.strip() or "*",
            is_ignore_case=False,
        )
