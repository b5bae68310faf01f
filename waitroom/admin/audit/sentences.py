"""Each operator's action as a sentence: "Ann set the seats from 200 to 300". Pure.

An action is recorded as a kind and its values. `PREDICATES` has a predicate for every kind, and a
test compares the kinds with those that the SQL and the API write.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inventory.kit.doors.decoding import Json
from inventory.money import format_amount
from waitroom.admin.audit.filing import actor_of
from waitroom.admin.audit.rule_words import (
    listed,
    moment,
    one_of,
    plain,
    quoted,
    say_change,
    say_changes,
)


@dataclass(frozen=True, slots=True)
class Details:
    """The values of an action, and the currency of its room; None for an action without a room."""

    values: Json
    currency: str | None

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def text(self, name: str) -> str:
        return plain(self.values.get(name))

    def count(self, name: str, one: str, many: str) -> str:
        """Write a count with its noun, as in "1 unit" and "1,200 units"."""
        return counted(self.values.get(name), one, many)

    def money(self, minor: Any) -> str:
        if self.currency is None or not isinstance(minor, int):
            return plain(minor)
        return format_amount(minor, self.currency)


Predicate = Callable[[Details], str]


def say_action(who: str, kind: str, detail: Any, *, currency: str | None) -> str:
    """Return the sentence for an action, without a full stop."""
    values = detail if isinstance(detail, dict) else {}
    predicate = PREDICATES.get(kind)
    if predicate is None:
        said = f"did “{kind.replace('_', ' ')}” ({plain(detail)})"
    else:
        said = predicate(Details(values, currency))
    return f"{actor_of(who)} {said}"


def counted(number: Any, one: str, many: str) -> str:
    return f"{plain(number)} {one if number == 1 else many}"


# Rooms.


_STATUSES = {
    ("scheduled", "open"): "opened the room",
    ("paused", "open"): "opened the room again after a pause",
    ("open", "paused"): "paused the room",
}


def _status(told: Details) -> str:
    before, after = told.text("from"), told.text("to")
    if after == "ended":
        return "ended the sale"
    return _STATUSES.get((before, after), f"set the room from {before} to {after}")


def _change(told: Details) -> str:
    changes = listed(said.active for said in say_changes(told.values))
    return changes or "changed nothing"


def _reset(told: Details) -> str:
    calls = told.count("calls_taken_back", "call was", "calls were")
    return f"reset the room: everybody in line lost their place, and {calls} taken back"


def _gate(told: Details) -> str:
    names = {"when_away": "its state while this service is away", "pass_s": "the time of a pass"}
    changed = listed(names.get(name, f"the {name.replace('_', ' ')}") for name in told.values)
    return f"changed the gate in front of the site: {changed or 'nothing'}"


# The line.


def _lane(told: Details) -> str:
    share = told.get("share")
    shown = f"{100 * share:.3g}%" if isinstance(share, int | float) else plain(share)
    return f"set the share of the line {told.text('line')} in the calls to {shown}"


def _profile(told: Details) -> str:
    profile = told.get("to") or told.get("from") or {}
    code = profile.get("profile", "") if isinstance(profile, Mapping) else ""
    return say_change(f"profile {code}", told.get("from"), told.get("to")).active


def _invite(told: Details) -> str:
    made = told.count("count", "invitation", "invitations")
    return f"made {made} to the lane {told.text('lane')} (batch {told.text('batch')})"


def _revoke_invitations(told: Details) -> str:
    unused = told.count("count", "unused invitation", "unused invitations")
    return f"took {unused} of batch {told.text('batch')} back"


def _revoke(told: Details) -> str:
    return f"took number {told.text('number')} of the line {told.text('line')} away"


def _put_behind(told: Details) -> str:
    return f"put the further places of network {told.text('network')} behind all others"


def _lift_behind(told: Details) -> str:
    return f"let network {told.text('network')} join like all others again"


# The goods.


_FIELDS: dict[str, str] = {
    "name": "the name",
    "variant": "the variant",
    "description": "the description",
    "picture": "the picture",
    "price_minor": "the price",
    "limit_per_order": "the most units in one order",
    "limit_per_session": "the most units in one visit",
    "limit_per_customer": "the most units for one customer",
    "on_sale_from": "the beginning of the sale",
    "on_sale_until": "the end of the sale",
    "low_at": "the count at which the stock is low",
    "seller_id": "the seller",
}


def _fields(told: Details) -> str:
    """Say what of a product or a SKU was changed, from what to what."""
    changed = told.get("changed")
    if not isinstance(changed, Mapping):
        return "nothing"
    return listed(_field(told, name, values) for name, values in changed.items())


def _field(told: Details, name: str, values: Any) -> str:
    thing = _FIELDS.get(name, name.replace("_", " "))
    if not (isinstance(values, list) and len(values) == 2):
        return f"{thing} to {plain(values)}"
    before, after = (_written(told, name, value) for value in values)
    if name in {"description", "picture"}:
        return thing
    return f"{thing} from {before} to {after}"


def _written(told: Details, name: str, value: Any) -> str:
    if name == "price_minor":
        return told.money(value)
    if name.startswith("limit_"):
        return "no limit" if value is None else plain(value)
    if name.startswith("on_sale_"):
        return moment(value)
    if name in {"name", "variant", "description", "picture"}:
        return quoted(value) if value else "nothing"
    return plain(value)


def _copy_goods(told: Details) -> str:
    skus = told.count("skus", "SKU", "SKUs")
    each = told.count("units", "unit", "units")
    return f"took over {skus} of the room {told.text('from')}, with {each} of each"


def _add_product(told: Details) -> str:
    return f"added the product {quoted(told.get('name') or told.text('product'))}"


def _add_sku(told: Details) -> str:
    name, price = told.get("name") or told.get("variant"), told.get("price_minor")
    called = f", {quoted(name)}," if name else ""
    costs = f" at {told.money(price)}" if price is not None else ""
    product = told.get("product")
    of = f" to the product {product}" if product and product != told.get("sku") else ""
    return f"added the SKU {told.text('sku')}{called}{of}{costs}"


def _moved(told: Details, verb: str) -> str:
    quantity = told.get("quantity")
    shown = counted(quantity, "unit", "units")
    if verb == "adjusted":
        signed = f"{quantity:+,}" if isinstance(quantity, int) else plain(quantity)
        shown = f"by {signed} {'unit' if quantity in (1, -1) else 'units'}"
        below = ", below what is promised, held or sold" if told.get("override") else ""
        said = f"corrected the stock of {told.text('sku')} {shown}{below}"
    else:
        said = f"received {shown} of {told.text('sku')}"
    return f"{said}; {told.text('on_hand')} are on hand now"


def _import(told: Details) -> str:
    rows = told.count("rows", "row", "rows")
    delivery = told.get("delivery")
    of = f" of the delivery {quoted(delivery)}" if delivery else ""
    return (
        f"imported {rows}{of}: {told.count('added', 'SKU', 'SKUs')} added, {told.text('changed')} "
        f"changed, {told.count('received', 'unit', 'units')} received"
    )


# Orders.


def _refund(told: Details) -> str:
    parts = [f"gave {told.money(told.get('amount_minor'))} of order {told.text('order')} back"]
    items = told.get("items")
    units = _units_of(items)
    if units:
        parts.append(f"for {counted(units, 'unit', 'units')}")
    if told.get("restock"):
        parts.append("with the units back in stock")
    if told.get("by_hand"):
        parts.append("by hand, outside of the gateway")
    return ", ".join(parts)


def _units_of(items: Any) -> int:
    """Count the units that a refund names: items with quantities, or quantities by SKU."""
    if isinstance(items, Mapping):
        found = list(items.values())
    elif isinstance(items, list):
        found = [item.get("quantity") for item in items if isinstance(item, Mapping)]
    else:
        found = []
    return sum(count for count in found if isinstance(count, int))


def _cancel(told: Details) -> str:
    was = one_of(
        authorizing="in payment", authorized="authorized", paid="paid", declined="declined"
    )(told.get("was"))
    back = ", with the units back in stock" if told.get("restock") else ""
    return f"cancelled order {told.text('order')}, which was {was}{back}"


# People.


def _add_operator(told: Details) -> str:
    return f"made an account for {told.text('operator')}, as {told.text('role')}"


def _change_operator(told: Details) -> str:
    said: list[str] = []
    if isinstance(role := told.get("role"), list) and len(role) == 2:
        said.append(f"set the role from {plain(role[0])} to {plain(role[1])}")
    if isinstance(active := told.get("active"), list) and len(active) == 2:
        said.append("allowed the sign-in again" if active[1] else "ended the access")
    if told.get("password"):
        said.append("set a new password")
    return f"changed the account of {told.text('operator')}: {listed(said) or 'nothing'}"


def _sign_out(told: Details) -> str:
    sessions = told.count("sessions", "session was", "sessions were")
    return f"signed {told.text('operator')} out everywhere; {sessions} ended"


def _factor(told: Details) -> str:
    name = told.get("name")
    passkey = f"the passkey {quoted(name)}" if name else "a passkey"
    return "an authenticator app" if told.get("factor") == "authenticator" else passkey


def _add_key(told: Details) -> str:
    rooms, expires = told.get("rooms"), told.get("expires_at")
    narrowed = f", for {listed([plain(room) for room in rooms])} alone" if rooms else ""
    until = f", until {moment(expires)}" if expires else ""
    scopes = listed([plain(scope) for scope in told.get("scopes") or []])
    return f"made the API key {told.text('key')} with the scopes {scopes}{narrowed}{until}"


# Webhooks.


def _endpoint(told: Details) -> str:
    url, number = told.get("url"), told.text("endpoint_id")
    return f"the webhook {number} ({url})" if url else f"the webhook {number}"


def _webhook_changed(told: Details) -> str:
    names = {"url": "address", "description": "description", "kinds": "events"}
    parts = [f"a new {names[name]}" for name in ("url", "description") if name in told.values]
    if isinstance(kinds := told.get("kinds"), list):
        parts.append(f"the events {listed(map(str, kinds))}" if kinds else "all events")
    if "active" in told.values:
        parts.append("on" if told.get("active") else "paused")
    return f"changed the webhook {told.text('endpoint_id')}: {listed(parts) or 'nothing'}"


def _webhook_off(told: Details) -> str:
    why = one_of(
        failing="since all deliveries failed", gone="since its receiver says that it is gone"
    )(told.get("why"))
    return f"turned {_endpoint(told)} off: {why}"


def _failed_replayed(told: Details) -> str:
    again = told.count("replayed", "failed delivery", "failed deliveries")
    return f"sent {again} since {moment(told.get('since'))} to {_endpoint(told)} again"


PREDICATES: dict[str, Predicate] = {
    "create": lambda _: "made the room",
    "status": _status,
    "change": _change,
    "reset": _reset,
    "archive": lambda _: "archived the room",
    "save_look": lambda _: "changed the draft of its look",
    "publish_look": lambda _: "showed the draft of its look to shoppers",
    "gate": _gate,
    "known_user": lambda told: (
        f"let the room speak KnownUser to the site {told.text('customer')}"
        if told.get("customer")
        else "ended the room's KnownUser hand-over to its site"
    ),
    "known_user_secret": lambda told: f"gave the site {told.text('customer')} a new secret",
    "copy_look": lambda told: f"took over the look of the room {told.text('from')}",
    "copy_goods": _copy_goods,
    "move": lambda told: f"moved the room to the shard {told.text('to')}",
    "crowd": lambda told: f"sent a test crowd of {told.count('shoppers', 'shopper', 'shoppers')}",
    "lane": _lane,
    "profile": _profile,
    "invite": _invite,
    "revoke invitations": _revoke_invitations,
    "revoke": _revoke,
    "give back": lambda told: (
        f"gave number {told.text('number')} of the line {told.text('line')} back"
    ),
    "put behind": _put_behind,
    "lift behind": _lift_behind,
    "public_value": lambda told: f"gave the draw its public value, {quoted(told.get('value'))}",
    "admit_seller": lambda told: f"admitted the seller {told.text('seller')} to the room",
    "withdraw_seller": lambda told: f"withdrew the seller {told.text('seller')} from the room",
    "add_product": _add_product,
    "change_product": lambda told: f"changed the product {told.text('product')}: {_fields(told)}",
    "delete_product": lambda told: f"deleted the product {quoted(told.get('name'))}",
    "add_sku": _add_sku,
    "change_sku": lambda told: f"changed the SKU {told.text('sku')}: {_fields(told)}",
    "delete_sku": lambda told: f"deleted the SKU {told.text('sku')}, {quoted(told.get('name'))}",
    "received": lambda told: _moved(told, "received"),
    "adjusted": lambda told: _moved(told, "adjusted"),
    "import": _import,
    "refund": _refund,
    "cancel": _cancel,
    "add_operator": _add_operator,
    "change_operator": _change_operator,
    "sign_out_operator": _sign_out,
    "change_password": lambda _: "chose another password",
    "add_factor": lambda told: f"set up {_factor(told)} as a second factor",
    "remove_factor": lambda told: f"removed {_factor(told)} as a second factor",
    "link_provider": lambda _: "signed in at the identity provider for the first time",
    "unlink_provider": lambda told: (
        f"took the identity provider from the account of {told.text('operator')}"
    ),
    "remove_factors": lambda told: f"removed all second factors of {told.text('operator')}",
    "make_recovery_codes": lambda _: "made new recovery codes",
    "use_recovery_code": lambda _: "signed in with a recovery code",
    "add_key": _add_key,
    "end_key": lambda told: f"ended the API key {told.text('key')}",
    "webhook_added": lambda told: f"added {_endpoint(told)}",
    "webhook_changed": _webhook_changed,
    "webhook_secret_rotated": lambda told: f"gave {_endpoint(told)} a new secret",
    "webhook_disabled": _webhook_off,
    "webhook_deleted": lambda told: f"deleted {_endpoint(told)}",
    "webhook_tested": lambda told: f"sent a test to {_endpoint(told)}",
    "webhook_replayed": lambda told: (
        f"sent delivery {told.text('delivery_id')} to {_endpoint(told)} again"
    ),
    "webhook_failed_replayed": _failed_replayed,
}
