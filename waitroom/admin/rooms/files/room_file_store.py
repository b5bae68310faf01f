"""Rooms as documents: reading one out of the tables, and applying one in one transaction."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from inventory.catalogue import ProductChange, Sku, SkuChange, SkuFields
from inventory.kit.database import Pool, one_transaction
from inventory.kit.doors.decoding import Json, read_field
from inventory.kit.problem import NotFound, Refusal, Unprocessable
from inventory.ledger_store import LedgerStore
from inventory.product_store import CatalogueStore
from inventory.sku_store import StockStore
from waitroom.admin.rooms.files.room_file import (
    RULES,
    SKUS_MAX,
    Path,
    differences,
    plain_json,
    spell,
)
from waitroom.client.answers import AppliedFile, FileChange
from waitroom.gate.gate_store import GateStore
from waitroom.gate.rules import GATE_RULES
from waitroom.look.look import LOOK
from waitroom.look.look_store import LookStore
from waitroom.refusals import LookDraftWaits, TooManyGoods
from waitroom.store.room_rows import CheckNew
from waitroom.store.room_store import RoomStore

_PRODUCT_FIELDS = ("name", "description", "picture")
_SKU_FIELDS = SkuFields.__struct_fields__
Changes = list[tuple[Path, FileChange]]
Step = Callable[[], Coroutine[Any, Any, object]]


class _Undone(Exception):
    """A dry run ends here, and its transaction with it."""


class RoomFileStore:
    def __init__(self, pool: Pool, check_new: CheckNew | None = None) -> None:
        self._pool = pool
        self._rooms = RoomStore(pool, check_new)
        self._looks = LookStore(pool)
        self._gates = GateStore(pool)
        self._products = CatalogueStore(pool)
        self._stock = StockStore(pool)
        self._ledger = LedgerStore(pool)

    async def exists(self, room: str) -> bool:
        try:
            await self._rooms.read(room)
        except NotFound:
            return False
        return True

    async def file_json(self, room: str) -> Json:
        """Return a room as a document with all its keys, save for stock; raises `NotFound`.

        Raises `TooManyGoods` for a room with more goods than a document has.
        """
        skus = 0
        goods: Json = {
            product.product: {name: getattr(product, name) for name in _PRODUCT_FIELDS}
            async for product in self._products_of(room)
        }
        async for sku in self._skus_of(room):
            skus += 1
            if skus > SKUS_MAX:
                raise TooManyGoods
            goods[sku.product].setdefault("skus", {})[sku.sku] = _sku_json(sku)
        return {**await self._rules_json(room), "products": goods}

    async def _rules_json(self, room: str) -> Json:
        rules = await self._rooms.read(room)
        lanes, profiles = await self._rooms.lanes(room), await self._rooms.profiles(room)
        return plain_json(
            {
                **{name: getattr(rules, name) for name in RULES},
                "currency": rules.currency,
                "lanes": {lane.lane: lane.share for lane in lanes},
                "profiles": {
                    one.profile: {
                        "name": one.name,
                        "time_factor": one.time_factor,
                        "places_max": one.places_max,
                    }
                    for one in profiles
                },
                "look": plain_json((await self._looks.read(room)).live),
                "gate": plain_json(await self._gates.read(room)),
            }
        )

    async def _products_of(self, room: str) -> AsyncIterator[Any]:
        after = ""
        while found := await self._products.page(room=room, after=after, limit=50, private=True):
            for product in found:
                yield product
            after = found[-1].product

    async def _skus_of(self, room: str) -> AsyncIterator[Sku]:
        after = ""
        while found := await self._stock.page(room=room, after=after, limit=500, private=True):
            for sku in found:
                yield sku
            after = found[-1].sku

    async def apply(
        self, room: str, wanted: Json, *, who: str, may_make: bool, dry_run: bool
    ) -> AppliedFile:
        """Change what differs from a checked document, all of it or nothing, and tell the changes.

        `may_make` allows a room that is not there yet. A dry run makes the changes and takes them
        back, so the database's own refusals come too. A refusal names the key under `at`.
        """
        applied: AppliedFile | None = None
        try:
            async with one_transaction(self._pool):
                applied = await self._apply(room, wanted, who=who, may_make=may_make)
                if dry_run:
                    raise _Undone
        except _Undone:
            pass
        assert applied is not None, "it is set before the transaction ends"
        return msgspec.structs.replace(applied, dry_run=dry_run)

    async def _apply(self, room: str, wanted: Json, *, who: str, may_make: bool) -> AppliedFile:
        made = not await self.exists(room)
        if made:
            if not may_make:
                raise NotFound(f"There is no room {room!r}.")
            await self._make(room, wanted, who)
            standing: Json = {}
        else:
            standing = await self._standing(room, wanted)
        changes = differences(wanted, standing)
        if changes:
            # A room that was made just now has what it was made with, and its defaults.
            todo = differences(wanted, await self._standing(room, wanted)) if made else changes
            await self._change(room, todo, wanted, who)
        return AppliedFile(
            room=room, created=made, dry_run=False, changes=[change for _, change in changes]
        )

    async def _make(self, room: str, wanted: Json, who: str) -> None:
        if "name" not in wanted:
            raise _at(("name",), Unprocessable("A room that is made needs a name."))
        rules = {name: wanted[name] for name in RULES if name in wanted}
        with _naming():
            await self._rooms.create(
                room,
                rules.pop("name"),
                rules=msgspec.json.encode(rules).decode(),
                who=who,
                currency=wanted.get("currency"),
            )

    async def _standing(self, room: str, wanted: Json) -> Json:
        """Return a room's document, with those goods alone that another document names."""
        goods: Json = {}
        for product, fields in wanted.get("products", {}).items():
            skus = await self._skus_json(product, fields.get("skus", {}))
            found = await _or_none(self._products.read(product))
            if found is None:
                continue
            if found.room != room:
                raise _at(
                    ("products", product),
                    Unprocessable(f"The product {product} is in the room {found.room}."),
                )
            goods[product] = {name: getattr(found, name) for name in _PRODUCT_FIELDS}
            goods[product]["skus"] = skus
        return {**await self._rules_json(room), "products": goods}

    async def _skus_json(self, product: str, named: Json) -> Json:
        found: Json = {}
        for code in named:
            sku = await _or_none(self._stock.read(code))
            if sku is None:
                continue
            with _naming("products", product, "skus", code):
                _require_variant(sku, product)
            found[code] = {**_sku_json(sku), "on_hand": sku.on_hand}
        return found

    async def _change(self, room: str, changes: Changes, wanted: Json, who: str) -> None:
        """Carry changes out: goods first, since a change of rules keeps the room's line waiting."""
        reason = wanted.get("reason", "")
        await self._change_goods(room, [one for one in changes if one[0][0] == "products"], who)
        rules = {path[0]: change.now for path, change in changes if path[0] in RULES}
        if any(path == ("currency",) for path, _ in changes):
            raise _at(("currency",), Unprocessable("A room keeps the currency it was made with."))
        if rules:
            encoded = msgspec.json.encode(rules).decode()
            with _naming(*rules if len(rules) == 1 else ()):
                await self._rooms.change(room, encoded, who=who, reason=reason)
        for path, change in changes:
            with _naming(*path):
                if path[0] == "lanes":
                    await self._rooms.set_lane(room, path[1], share=change.now, who=who)
                elif path[0] == "profiles":
                    await self._rooms.set_profile(room, path[1], who=who, **change.now)
        if any(path[0] == "look" for path, _ in changes):
            with _naming("look"):
                await self._change_look(room, wanted["look"], who)
        if any(path[0] == "gate" for path, _ in changes):
            with _naming("gate"):
                await self._change_gate(room, wanted["gate"], who, reason)

    async def _change_look(self, room: str, given: Json, who: str) -> None:
        """Show a look in which the given keys replace those that shoppers see."""
        looks = await self._looks.read(room)
        if looks.draft != looks.live:
            raise LookDraftWaits
        merged = _merged(plain_json(looks.live), given)
        draft = LOOK.decode(msgspec.json.encode(merged))
        await self._looks.save(room, draft, was=looks.draft, who=who)
        await self._looks.publish(room, who=who)

    async def _change_gate(self, room: str, given: Json, who: str, reason: str) -> None:
        standing = await self._gates.read(room)
        rules = GATE_RULES.decode(msgspec.json.encode(_merged(plain_json(standing), given)))
        await self._gates.put(room, rules, was=standing, who=who, reason=reason)

    async def _change_goods(self, room: str, changes: Changes, who: str) -> None:
        """Make and change products, then their SKUs, then the units on hand."""
        products: dict[str, Json] = {}
        skus: dict[tuple[str, str], Json] = {}
        units: list[tuple[Path, FileChange]] = []
        for path, change in changes:
            if path[2] != "skus":
                products.setdefault(path[1], {})[path[2]] = change.now
            elif path[4] == "on_hand":
                skus.setdefault((path[1], path[3]), {})
                units.append((path, change))
            else:
                skus.setdefault((path[1], path[3]), {})[path[4]] = change.now
        for product in dict.fromkeys([*products, *(product for product, _ in skus)]):
            with _naming("products", product):
                await self._put_product(room, product, products.get(product, {}), who)
        for (product, sku), fields in skus.items():
            with _naming("products", product, "skus", sku):
                await self._put_sku(room, product, sku, fields, who)
        for path, change in units:
            with _naming(*path):
                await self._put_units(path[3], change, who)

    async def _put_product(self, room: str, product: str, fields: Json, who: str) -> None:
        if await _or_none(self._products.read(product)) is None:
            if "name" not in fields:
                raise Unprocessable("A product that is added needs a name.")
            await self._products.add(product, room=room, who=who, **fields)
        elif fields:
            change = msgspec.convert(fields, ProductChange, dec_hook=read_field)
            await self._products.change(product, change, who=who)

    async def _put_sku(self, room: str, product: str, sku: str, fields: Json, who: str) -> None:
        standing = await _or_none(self._stock.read(sku))
        if standing is None:
            if "price_minor" not in fields:
                raise Unprocessable("A SKU that is added needs a `price_minor`.")
            await self._stock.add(sku, room=room, product=product, who=who, **fields)
            return
        # A document that names one SKU under two products has just added it under the first.
        _require_variant(standing, product)
        if fields:
            change = msgspec.convert(fields, SkuChange, dec_hook=read_field)
            await self._stock.change(sku, change, who=who)

    async def _put_units(self, sku: str, change: FileChange, who: str) -> None:
        before = (await self._stock.read(sku)).on_hand
        more = change.now - before
        if more:
            await self._ledger.move(
                sku,
                kind="received" if more > 0 else "adjusted",
                quantity=more,
                who=who,
                reason="by the room's file",
            )


def _require_variant(sku: Sku, product: str) -> None:
    """Raise `Unprocessable` for a SKU of another product, which may be in another room."""
    if sku.product != product:
        raise Unprocessable(f"The SKU {sku.sku} is a variant of the product {sku.product}.")


def _sku_json(sku: Sku) -> Json:
    """Return what a document says of a SKU that is there, without its units."""
    return plain_json({name: getattr(sku, name) for name in _SKU_FIELDS})


def _merged(standing: Json, given: Json) -> Json:
    """Return a value in which the given keys replace those that stand, at every depth."""
    return standing | {
        name: _merged(standing[name], value)
        if isinstance(value, dict) and isinstance(standing.get(name), dict)
        else value
        for name, value in given.items()
    }


async def _or_none(reading: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await reading
    except NotFound:
        return None


@contextmanager
def _naming(*path: str) -> Iterator[None]:
    """Name the key of a document to which a refusal belongs."""
    try:
        yield
    except Refusal as refusal:
        raise _at(path, refusal) from refusal.__cause__


def _at(path: Path, refusal: Refusal) -> Refusal:
    """Return a refusal that names its key, unless it names one already."""
    if path and "at" not in refusal.fields:
        refusal.fields = {**refusal.fields, "at": spell(path)}
    return refusal
