"""Inventory: SKUs, stock and holds. The innermost package; it never calls outward.

# A hold

                 ┌──► confirmed   its payment was authorized
    held ────────┼──► released    its shopper gave it up
                 └──► expired     its deadline passed

A hold sets units aside until a deadline, and ends once. It is a two-phase transfer of a ledger:
pending, then posted or voided. A batch of holds is one call of `place_holds`: it locks admissions
and stock in order, looks the keys up, ends holds that are due on these SKUs, decides in order of
arrival, inserts, and moves the balances, with the clock read after the locks. A repeated key gets
the first answer; a refusal is not kept under its key (`test_a_repeated_key_gets_the_same_hold`).

A request for one SKU that is alone goes to `place_hold`. A plain one, the first hold of its session
of units that are free, promised to nobody and wished for by nobody, is placed for half of what a
batch of one costs. All others, and every refusal, are left to `place_holds`. The same locks are
taken in the same order, and both ways answer the same
(`test_a_lone_request_is_answered_as_a_batch_of_one_whatever_comes_together`).

Overdue holds are ended in batches of 500 with a pause between them, so that new holds get their
turn in a storm of expiries. Each hold ends once, however many sweepers and shoppers end it
(`test_in_a_storm_each_hold_ends_once_and_new_ones_are_placed`,
`test_a_storm_is_worked_off_without_a_sweeper_as_far_as_units_are_needed`).

# Promises

    available = on_hand - promised - held - sold

In a guaranteed room a call adds `units_promised` to `promised`; the shopper's holds turn it into
`held`; a miss, a leaving or the session's end gives the rest back. `held + sold + promised <=
on_hand` is a constraint, so "every called shopper finds a unit" is arithmetic, not a hope.

All promises are one balance of the room, in `room_stock`: the units of all SKUs together cover them
together. A shopper who named a SKU was promised a unit of that one, which the SKU's row in `stock`
counts as well. A hold is placed if its SKUs have the units and the room has them beyond the
promises of others. So a called shopper may find one SKU gone, but never all of them.

* A shopper who holds less than was promised keeps the rest as a promise. A released hold gives its
  units to everyone; the promise does not return.
* A change of policy holds for the calls that follow. Promises already given stand.
* Available, as the shop shows it for a SKU, is the smaller of the SKU's and the room's free units.

`test_a_call_may_promise_several_units`,
`test_units_of_another_sku_behind_a_rooms_promises_come_free_too`.

# Units that come free

Units come free when a hold is released, shrinks or expires, when stock is received, and when an
order is returned. They go to refused sessions, by number; then to tickets that stayed in line for
returns; then to the next in line. No shopper gets them by asking again at the right moment.

* `wish` remembers which session asked for a SKU with nothing left. A session that could have had
  some and asked for more is told how many there are and is not remembered: otherwise a shopper
  could keep units from others by wishing for too many.
* Within a lane the lower number had its turn first. Numbers of two lanes say nothing of each other;
  among lanes the turn is when the gate passed the number.
* `stock.wished` counts the units that are wished for. A request that arrives while units are free
  and others wait for them is behind: behind all others if it never was refused, behind those of an
  earlier turn if it was. It is not decided before the free units have been handed out, so this
  holds without a sweeper too.
* `serve_wishes` calls `place_holds` itself with the wishes of the earliest turns, so limits, locks
  and balances are the same. It places an ordinary hold with an ordinary deadline.
* Only a promise goes before a wish: the called shopper was given it first.
* A wish ends with its session. A ticket that stays in line for returns is among the numbers that
  are called again before anyone new, with `returns_window_s` to come. A shopper who left an address
  is told in the same transaction.

`test_what_comes_free_is_held_for_the_lowest_number_that_was_refused`,
`test_nobody_gets_in_first_by_asking_at_the_right_moment`,
`test_new_stock_serves_the_refused_before_the_line_is_called`, `test_a_promise_goes_before_a_wish`,
`test_two_sweepers_and_many_who_ask_give_each_unit_once`.

# The ledger

Every change of stock is a movement with time and author. Units received, adjusted or returned have
a row in `stock_movement`. A hold is its own movement: its lines say what was held when it was
placed and released, expired or confirmed when it ended, and `hold_change` keeps its shopper's
changes in between. So the hot path writes each fact once. The view `movement` puts them together;
the balances of any past moment are its sums, and `conservation_breach` holds the present against
them.

`placed_at`, `ended_at` and the times of movements are wall time, read under the SKU's lock;
deadlines are shopper time.

A correction may not go below the units that are held, sold or promised: the constraints refuse it.
Units that are not on sale, or of a seller whom the room does not admit, stand behind no promise.
If the units are gone all the same, `override` takes them away with a reason on record. The
shortfall stands in `short`, the only thing that the constraints allow beyond `on_hand`; nothing can
be held while it lasts, and it shrinks by itself as stock comes or holds end.

`test_every_change_of_stock_is_a_movement`,
`test_the_balances_of_any_past_moment_can_be_counted_up`,
`test_an_override_leaves_no_way_to_sell_what_is_missing`.

# Deliveries

An import of a catalogue may receive units. A SKU is received once of each delivery, and an import
that names no delivery belongs to the one without a name. The movement keeps the name, and an index
keeps the rule (`delivery_is_received_once`).

A key for the whole file, made of its bytes, was too fine: operators open a file to mend a price,
and the spreadsheet saves it with other quotes, line ends and separators; all its units would come
again. The SKU and the number of units would be too fine as well: a file in which 10 was corrected
to 12 would receive 22. So the number is compared, and a row with another one is refused, since only
a person knows if it is a correction or a second delivery. A price, a name or a new row next to it
changes nothing, and no form in which the file is saved does.

The name stands beside the file and not in it, because a spreadsheet would rewrite it: `2026-11-29`
becomes a date of the country, and `007` becomes 7, and then every row would be received again. The
mistake that is left, a second delivery without a name, receives too few units, which the answer
says at once with the day of the first. Too many would be sold before they are missed.

`test_a_file_that_is_saved_again_receives_no_unit_twice`,
`test_another_delivery_receives_again_and_another_number_is_refused`.

# Limits

A SKU may have a limit for each order, each session and each customer over all sessions and orders;
a room one for the units of an order, and it may sell to customers alone. All are checked under the
SKU's lock, so two sessions of one customer cannot pass them together. Returned units count no more.
A shopper who asks for less is never refused.
A session places at most 200 holds, changes them at most 500 times, and waits for at most 50 SKUs;
the bounds stand beside `place_holds`. A basket is all or nothing; with `partial` it is as
much as stock and limits allow.

`test_a_customer_at_two_services_at_once_stays_within_the_limit`,
`test_a_partial_basket_keeps_to_the_limits`, `test_a_session_places_a_bounded_number_of_holds`.
"""
