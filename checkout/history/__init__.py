"""Orders looked back on: a shopper's history and receipts, operators' searches and exports.

Everything here reads. `status` says what an order is called, `cursor` and `search` what a list is
asked for, `timeline`, `receipt` and `sheet` what is made of the rows; they are pure.
`history_store` finds the rows. A seller sees the orders that contain their products, and of these
their own lines and sums.

The statement of a list is written for just the filters asked for, so each gets a plan of its own
(`test_many_orders_are_listed_and_counted_by_indexes`). A list continues after the
last order seen, by time and id, so nothing is repeated or skipped while orders arrive. An export
reads a page at a time and holds no connection while its reader is slow.
"""
