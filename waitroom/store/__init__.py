"""PostgreSQL and Valkey. PostgreSQL keeps every promise; Valkey keeps what may be lost.

Every promise made to anyone is in PostgreSQL: numbers, calls, sessions, stock, holds, orders,
payments, the log. Valkey carries the state documents on their way to the workers, rate limits,
codes and proofs that work once, the places of busy networks and the health of checkout
(`memory.py`). It may be flushed, killed,
split or rolled back in mid-sale, and no place is lost and no number or call given twice.

The SQL is one schema. Work that must be atomic is one SQL function in `migrations/`; a store calls
it by a named query of `queries.sql`. A Lua script of `lua/` is one change of state in Valkey. The
processes that serve call these functions in a role that can write little by itself (`roles/`).

# Lock order

    log_head by room → room → line by id → admission by id → room_stock by room → stock by SKU
    → hold by id → purchase → customer

A writer of a room's log, line or rules locks `log_head` first, so all that happens in one room has
one order. Functions read the clock after they have their locks. Exceptions and additions:

* `beat` locks `office` and then the lines; every other reader reads `office` without a lock.
* Webhooks stand apart: `outbox_event` → `webhook_endpoint` → `webhook_delivery`. `emit` locks
  nothing.
* `bind_customer` takes `customer` after the session's orders. `erase_customer` takes it first and
  locks nothing that others take before it.
* A change of a catalogue takes `lock_catalogue(room)` first, an advisory lock of the transaction,
  then product, SKU, `room_stock` and `stock`. No hold and no payment waits for it.
* Should a deadlock occur all the same, holds and orders are tried again.

`test_baskets_over_many_skus_in_any_order_do_not_deadlock` and
`test_holding_releasing_and_expiring_at_once_never_deadlock` show the order of SKUs.

# The shoppers' clock

    last heartbeat or report  + 3 s                    both are there again
    ──────┬───────────────┬─────────────────────────────────┬──────────────► wall time
          │    goes on    │         stands still            │    goes on
    ──────┴───────────────┴─────────────────────────────────┴──────────────► shopper time

While no controller leads, no number is called; while no web worker serves, no shopper can act. Then
nothing may expire. So deadlines are kept in *shopper time*. The table `office` has one row:
`leader`, `term`, `beat_at` (the last heartbeat), `served_at` (the last report of a web worker that
it serves) and `stopped` (how long shopper time has stood still in all).

* `shopper_now()` is the earliest of the database's clock, `beat_at` + 3 s and `served_at` + 3 s,
  minus `stopped`.
* `wall_time(t)` is `t` + `stopped`: the moment to show to a person.
* `wind_clock()` adds the time for which the clock stood to `stopped`. A heartbeat and a report both
  go through it.

Workers report once a second, after their event loop has turned and PostgreSQL has answered
(`waitroom.desk.serving`). A service whose web workers never reported, such as a controller alone,
goes by its heartbeat. A worker that something in front of it cuts off from shoppers reports nothing
once the public address has shown it (`waitroom.run.way_in`), and neither does one whose database
fails most of what it is asked (`Pool.falters`), though now and then a report would pass.

The other way would be to move the deadline of every open row after an outage. That is a large write
at the worst moment, it has to be complete before anyone reads a deadline, and each later table must
not be forgotten. Here one row changes, in the transaction of the heartbeat or the report.

Shopper time is continuous and never runs backwards. Open deadlines move by the gap less those 3 s.
Every deadline comes from the database's clock; the clocks of workers are not asked.
`test_a_gap_without_a_leader_moves_every_deadline_by_the_gap`,
`test_the_shoppers_clock_stands_still_while_nobody_leads`,
`test_the_shoppers_clock_stands_still_while_no_web_worker_serves`,
`test_the_shoppers_clock_never_runs_backwards`, `test_a_steady_beat_moves_no_deadline`.

# Places

A waiting number has no row of its own: `join_key` remembers for an hour which number a join key
got, so a repeated join gets the same one, whatever was lost or late. `join_line` looks the keys up
under the lock of the room's log and writes them with the numbers. A worker that got no answer for
a batch settles it later (`lose_joins`): numbers whose keys have not asked again step aside, so they
are not called, and come back when their key asks.

A few places have something to remember, in `place`: the ticket that owns a place since it moved to
another device, a profile with more time, an entry that left. `person_place` holds the one place of
a customer or of an invitation's bearer, in the join's own transaction, so a second join from
anywhere gets the same ticket. An invitation is a signature over batch and index and has no row; its
use stands in `person_place`, under a key beside those of its batch. A customer's key is a hash that
differs from room to room.

A code that moves a place lives in Valkey for ten minutes and is used up by `GETDEL`; after a crash
in between the old ticket still stands. Moving makes the place another ticket's. The
reveal fixes the entries first, under the lock of the room's log: a change that comes later is
refused for the moment until the numbers are out, so leavers cannot hold a draw up
(`test_leavers_cannot_make_a_reveal_begin_again`).

A reset closes a room's lines and begins new ones at 1. Calls are taken back; shoppers inside stay.

# Another shop's stock

Where the stock lives in another shop, `hear_of_stock` takes in its figures and the outcomes of
sessions in one transaction, so a promise ends with the news of its outcome (`elsewhere_store.py`).

# Archives

A room that has ended has a row in `retention`, which says how far its archive has come. Each step
of `archive_step` is one transaction: it deletes some rows, adds what they say to `archived_stock`
and `archived_count`, and moves its cursor on. `movement` and `conservation_breach` read the
balances beside the rows, so the books agree after each step. Rows that an order needs stay with it.
The log moves to `log_page`; `log_between` reads both.
"""
