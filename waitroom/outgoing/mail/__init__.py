"""Mail: messages to shoppers who left an address.

The transaction that calls a shopper for returns writes the row of a message (`tell_returns` in
`0021_waiting_for_returns.sql`), and the one that takes a payment writes that of an order. The
messages of a turn are written by the sender itself, once a second, so that no tick of the leader
waits for them: by the line as it stands, and by the state document's waits (`0031_call_mail.sql`).

The sender (`sender.py`) leases what is due (`mail_store.py`), writes the text (`message.py`), hands
it to the operators' relay (`relay.py`) with no transaction open, judges the answer (`attempt.py`)
and notes the outcome. An address is blanked as soon as its message was sent or given up.

A message is handed over at least once. Repeated copies carry the same Message-ID.
"""
