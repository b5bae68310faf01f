"""Orders looked back on: a shopper's history and receipts, and what operators search and export.

Everything here reads. `status` says what an order is called, `cursor` and `search` what a list is
asked for, `timeline`, `receipt` and `sheet` what is made of what was found; they are pure.
`history_store` finds it. A seller sees the orders that contain their products, and of these their
own lines and sums.
"""
