"""Mail: one message to whoever left an address and is called.

The transaction that calls somebody writes the message's row (`tell_returns` in `0010_restock.sql`).
The sender (`sender.py`) runs in the sweeper's role: it takes what is due under a lease
(`mail_store.py`), writes the text (`message.py`), hands it to the operators' relay (`relay.py`)
with no transaction open, judges the answer (`attempt.py`) and notes it. An address is blanked as
soon as its message was sent or has failed for good.

A message is handed over at least once: twice only when a sender died, or the database was away,
between the relay's answer and its note. Both copies carry the same Message-ID.
"""
