"""The outbox: what happened, sent to those who asked to be told.

The transaction that makes something true writes its event (`emit` and the triggers in
`0003_log_and_outbox.sql`), so an event exists if and only if what it tells of was committed. It is
written only while an active endpoint wants its kind; the hot path pays nothing for a listener that
is not there.

The sender (`sender.py`) runs in the sweeper's role. It makes a delivery for each event and
endpoint (`fan_out`), takes what is due under a lease (`claim_deliveries`), signs it by Standard
Webhooks (`signature.py`), posts it to a vetted address (`address.py`, `webhook_client.py`), judges
the answer (`attempt.py`) and notes it (`note_attempt`). No transaction is open while it posts.

Delivery is at least once and in no order. Two senders never hold one delivery's lease, so an event
is sent twice only when a sender died, or the database was away, between the answer and its note.
Receivers drop repeats by `webhook-id`.
"""
