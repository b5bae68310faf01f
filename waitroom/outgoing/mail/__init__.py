"""Mail: one message to a shopper who left an address and is called.

The transaction that calls a shopper writes the row of a message (`tell_returns` in
`0021_waiting_for_returns.sql`). The sender (`sender.py`) leases what is due (`mail_store.py`),
writes the text (`message.py`), hands it to the operators' relay (`relay.py`) with no transaction
open, judges the answer (`attempt.py`) and notes the outcome. An address is blanked as soon as its
message was sent or given up.

A message is handed over at least once. Repeated copies carry the same Message-ID.
"""
