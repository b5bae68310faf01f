"""What must hold of a sale, while it runs and when it has come to rest."""

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from checkout.gateway.gateway import PaymentState
from simulation.books import Books
from simulation.books.tables import Draw, Line
from simulation.plans import FARM_PLACES, STREAM_S
from simulation.shopper import BrokenPromise
from waitroom.desk.joining.spacing import BURST, EVERY_S
from waitroom.log.chain import leaf_hash, root_from_path
from waitroom.log.draw import Permutation, commitment, draw_key
from waitroom.log.receipt import Receipt

if TYPE_CHECKING:
    from simulation.sale import Sale


def require(holds: object, promise: str) -> None:
    if not holds:
        raise BrokenPromise(promise)


def check_books(books: Books) -> None:
    """Check what the constraints of the tables check at each moment."""
    for room in books.rooms.values():
        counts = (room.held, room.sold, room.promised)
        require(min(counts) >= 0, f"negative units in {room.rules['room']}")
        require(room.free >= 0, f"{room.rules['room']} is oversold: {counts} of {room.on_hand}")
    for sku in books.skus.values():
        require(sku.held >= 0 and sku.sold >= 0, f"negative units of {sku.sku}")
        require(sku.held + sku.sold <= sku.on_hand, f"{sku.sku} is oversold")


def check_sale(sale: "Sale") -> None:
    """Check a sale in which everything has come to rest."""
    require(not sale.loop.errors, f"errors: {sale.loop.errors[:3]}")
    check_books(sale.books)
    _each_key_has_one_number(sale)
    _the_log_is_whole(sale)
    _each_draw_verifies(sale)
    _refunds_are_as_they_were_asked(sale)
    _units_and_money_agree(sale)
    OF_KIND.get(sale.plan.kind, _nothing_more)(sale)
    for host in sale.hosts:
        for client in host.clients:
            require(client.under_lock == 0, "the gateway was asked while a lock was held")


def _each_key_has_one_number(sale: "Sale") -> None:
    with_place = [shopper for shopper in sale.shoppers if shopper.tickets]
    taken = Counter(shopper.ticket.place for shopper in with_place)
    twice = [place for place, count in taken.items() if count > 1]
    require(not twice, f"places of several shoppers: {twice}")
    given = sum(line.tail for line in sale.books.lines.values())
    # An entry whose key asked again after the draw is over, and a new number is given for it.
    lost = sum(len(line.left) for line in sale.books.lines.values())
    most = lost + sum(s.new_joins + (s.way != "keyless") for s in sale.shoppers)
    told = f"{len(with_place)} shoppers have places, and {given} numbers were given"
    require(len(with_place) <= given <= most, told)


def _the_log_is_whole(sale: "Sale") -> None:
    for room in sale.books.rooms.values():
        before, tails, entries = bytes(32), Counter[str](), Counter[str]()
        for entry in room.log:
            require(
                entry.hash == hashlib.sha256(before + entry.body.encode()).digest(),
                f"the log is no chain at {entry.seq}",
            )
            before = entry.hash
            if entry.kind in {"joined", "entered"}:
                line, first, last = (entry.facts[name] for name in ("line", "first", "last"))
                given = tails if entry.kind == "joined" else entries
                require(first == given[line] + 1, f"the log skips numbers before {first}")
                given[line] = last
            elif entry.kind == "entries_closed":
                line, count = entry.facts["line"], entry.facts["count"]
                require(count == entries[line], f"{count} entries are closed of {entries[line]}")
                tails[line] = count
    for shopper in sale.shoppers:
        for place in shopper.places:
            if place.receipt is not None:
                _receipt_holds(sale, shopper.room, place.receipt)


def _receipt_holds(sale: "Sale", room: str, receipt: Receipt) -> None:
    (found,) = (r for r in sale.books.rooms.values() if r.rules["room"] == room)
    entry, path = found.log[receipt.seq - 1], bytes.fromhex(receipt.path)
    place = receipt.entry if receipt.number is None else receipt.number
    assert place is not None
    root = root_from_path(
        leaf_hash(bytes.fromhex(receipt.id), bytes.fromhex(receipt.random)),
        index=place - receipt.first,
        count=receipt.count,
        path=[path[at : at + 32] for at in range(0, len(path), 32)],
    )
    require(
        root is not None and root.hex() == entry.facts.get("root"),
        f"the receipt of {place} does not lead to its entry",
    )


def _each_draw_verifies(sale: "Sale") -> None:
    """Check the draw as a stranger does, and that each entry was served under its number."""
    drawn: dict[int, Permutation] = {}
    for line in sale.books.lines.values():
        if line.draw is not None:
            drawn[line.line_id] = _order_of(sale, line, line.draw)
    numbers = Counter[tuple[int, int]]()
    for shopper in sale.shoppers:
        if not shopper.tickets:
            continue
        ticket = shopper.ticket
        number = ticket.number
        if ticket.entered:
            number = drawn[ticket.line_id].number_of(number)
        numbers[ticket.line_id, number] += 1
        if shopper.session is not None:
            a = sale.books.admissions[shopper.session.session_id]
            own = a.number == number and a.ticket_id == ticket.ticket_id
            require(own, f"{shopper.name} has number {number} and was let in by {a.number}")
    twice = [place for place, count in numbers.items() if count > 1]
    require(not twice, f"numbers of several shoppers: {twice}")


def _order_of(sale: "Sale", line: Line, draw: Draw) -> Permutation:
    room = sale.books.rooms[line.room_id]
    name = room.rules["room"]
    facts = {entry.kind: entry for entry in room.log if entry.facts.get("line") == line.line}
    require("drawn" in facts, "the order was never drawn")
    seed, closed = bytes.fromhex(facts["drawn"].facts["seed"]), facts["entries_closed"]
    said = facts["draw_announced"].facts["commitment"]
    require(commitment(name, line.line, seed).hex() == said, "the seed is not the announced one")
    count = closed.facts["count"]
    key = draw_key(name, line.line, seed=seed, head=closed.hash, count=count, value=None)
    require(key == draw.key, "the order does not follow from the seed and the log")
    return Permutation(key, max(count, 1))


def _refunds_are_as_they_were_asked(sale: "Sale") -> None:
    books, payments = sale.books, sale.company.payments
    for order in books.orders.values():
        of_order = [r for r in books.refunds.values() if r.order_id == order.order_id]
        done = [r for r in of_order if r.state == "done"]
        back = sum(r.amount_minor for r in done)
        kept = payments.get(str(order.order_id))
        went = 0 if kept is None else sum(kept.refunds.values())
        told = f"{order.refunded_minor} are refunded, {back} of them asked for, {went} went back"
        require(order.refunded_minor == back == went, told)
        require(order.refunding_minor == 0, "money is on its way back for ever")
        units = sum((Counter(r.lines) for r in done if r.restock), Counter[str]())
        require(+order.returned == units, f"{order.returned} came back instead of {units}")
        bought = books.holds[order.hold_id].lines
        within = all(order.refunded[code] <= bought.get(code, 0) for code in order.refunded)
        require(within, "more units are refunded than were bought")
    for shopper in sale.shoppers:
        wish, order_told = shopper.sends_back, shopper.order
        if wish is None or order_told is None or shopper.told != "paid":
            continue
        order = books.orders[order_told.order_id]
        amount = order.total_minor if wish.full else books.skus["mug"].price_minor
        told = f"{shopper.name} was to get {amount} back and got {order.refunded_minor}"
        require(order.refunded_minor == amount, told)


def _units_and_money_agree(sale: "Sale") -> None:
    books, payments = sale.books, sale.company.payments
    paid = {str(o.order_id) for o in books.orders.values() if o.state in {"paid", "refunded"}}
    captured = {k for k, kept in payments.items() if kept.state is PaymentState.CAPTURED}
    require(captured == paid, f"captured but not paid, or the reverse: {captured ^ paid}")
    moving = [order.state for order in books.orders.values() if order.state not in AT_REST]
    require(not moving, f"orders that never came to rest: {moving}")
    bought = sum(
        sum(books.holds[order.hold_id].lines.values()) - order.returned.total()
        for order in books.orders.values()
        if order.state in {"paid", "refunded"}
    )
    sold = sum(room.sold for room in books.rooms.values())
    require(sold == bought, f"{sold} units are sold, and {bought} are paid and not returned")
    for shopper in sale.shoppers:
        orders = [
            o
            for o in books.orders.values()
            if shopper.order and o.order_id == shopper.order.order_id
        ]
        require(len(shopper.holds) <= 1, f"{shopper.name} has several holds under one key")
        if shopper.told == "paid":
            kept = orders and orders[0].state in {"paid", "refunded"}
            require(kept, f"{shopper.name} was told paid")
        if shopper.session is not None:
            own = [h for h in books.holds.values() if h.session_id == shopper.session.session_id]
            require(len(own) <= 1, f"{shopper.name} asked once and has {len(own)} holds")


AT_REST = frozenset({"paid", "declined", "cancelled", "refunded"})


# What holds in sales of one kind.


def _nothing_more(_: "Sale") -> None:
    """Check nothing more."""


def _no_room_delays_another(sale: "Sale") -> None:
    for shopper in sale.shoppers:
        if shopper.room == "gala":
            require(
                shopper.slowest_s < PROMPT_S,
                f"{shopper.name} waited {shopper.slowest_s:.2f} s while another room was locked",
            )


def _calm_joins_share_entries(sale: "Sale") -> None:
    (room,) = sale.books.rooms.values()
    entries = sum(entry.kind == "joined" for entry in room.log)
    most = BURST + STREAM_S / EVERY_S + 2
    require(entries <= most, f"{entries} entries of the log for {len(sale.shoppers)} calm joins")


def _a_network_has_few_places_in_front(sale: "Sale") -> None:
    main = {line.line_id for line in sale.books.lines.values() if line.lane == "main"}
    places = [s.ticket.line_id in main for s in sale.shoppers if s.network == "10.9.9.9"]
    most = FARM_PLACES * len(sale.workers)
    require(sum(places) <= most, f"one network has {sum(places)} places before others")


OF_KIND = {
    "apart": _no_room_delays_another,
    "stream": _calm_joins_share_entries,
    "farm": _a_network_has_few_places_in_front,
}
# A request whose room is not stuck takes less (s).
PROMPT_S = 0.2
