"""The rules of a room's gate. Pure."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from inventory.kit.doors.decoding import decoder, grammar
from inventory.kit.doors.texts import Note
from waitroom.gate.return_address import ReturnAddress
from waitroom.gate.trigger import Trigger

RETURN_ADDRESSES_MAX = 20
TRIGGERS_MAX = 20


class GateRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a room stands in front of a site.

    `when_away` is what the site does while this service does not answer: let everybody in (`open`)
    or nobody (`closed`). `return_addresses` are origins and prefixes to which shoppers may be sent
    once they are let in; the first one is where they go if they came from none. `triggers` say
    which requests need a session, and are all of them if there are none. `pass_s` is how many
    seconds a pass holds that a site checks by itself. `arrive_at` is the path of a site on another
    host that its proxy leads to `/arrive/{room}` of this service, "" if there is none: shoppers go
    there first, and their session is handed over.
    """

    when_away: Literal["open", "closed"] = "closed"
    return_addresses: Annotated[list[ReturnAddress], Meta(max_length=RETURN_ADDRESSES_MAX)] = []
    triggers: Annotated[list[Trigger], Meta(max_length=TRIGGERS_MAX)] = []
    pass_s: Annotated[int, Meta(ge=30, le=86_400)] = 300
    arrive_at: Annotated[
        str,
        grammar(
            r"^((/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)?\Z",
            "It is empty, or a plain path such as /waitroom/arrive",
            length_max=200,
        ),
    ] = ""


class GateChange(GateRules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules to put in place of those that stand.

    `was` are the rules as the author of the change saw them: where others stand by now, a colleague
    was faster, and the change is refused.
    """

    was: GateRules | UnsetType = UNSET
    reason: Note = ""

    def rules(self) -> GateRules:
        """Return the rules alone."""
        return GateRules(**{name: getattr(self, name) for name in GateRules.__struct_fields__})


GATE_RULES = decoder(GateRules)
GATE_CHANGE = decoder(GateChange)
NO_GATE = GateRules()
