"""Messages that the service sends by itself: webhooks to operators' systems, mail to shoppers.

Both work alike. The transaction that makes something true also writes the row that tells of it. A
loop in the sweeper's role (`loop.py`) takes due rows under a lease, sends each of them with no
transaction open, judges the answer and notes the outcome. `inventory.kit.lease` has the arithmetic
of leases and retries, `outcome.py` the outcomes.

    written ──► due ──► leased ──► sent
                 ▲        │   └──► given up
                 └────────┘ again later, or the lease ran out

Everything is sent at least once. It is sent twice only when a sender dies, or loses the database,
between the answer and its note. Receivers tell repeats by an id that never changes.

`outbox/` sends webhooks, `mail/` sends mail.
"""
