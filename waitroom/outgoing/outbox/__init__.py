"""Webhooks: what happened in a sale, sent to the systems that asked for it.

The transaction that makes something true writes its event (`emit` and the triggers in
`0022_outbox.sql`), so an event exists if and only if the change it describes was committed.
It is written only while an active endpoint wants its kind; the hot path pays nothing for an absent
listener.

The sender (`sender.py`) makes a delivery for each event and endpoint (`fan_out`), leases what is
due (`lease_deliveries`), signs it by Standard Webhooks (`signature.py`), posts it to a vetted
address (`address.py`, `webhook_client.py`), judges the answer (`attempt.py`) and notes the outcome
(`note_attempt`).

Delivery is at least once and in no order. Two senders never hold the lease of one delivery.
Receivers drop repeats by `webhook-id`.
"""
