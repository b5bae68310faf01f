"""The desk: what a web worker does for a shopper in line, without HTTP.

# Joining

    requests of a tick ──► Merkle tree ──► join_line ──► tickets and receipts
                           `log.chain`     one call      signed, each with its path

A tick of joins is one statement on the line's row (`joining/join_desk.py`). The desk builds a
Merkle tree over the batch and calls `join_line` once, which extends the tail, calls the numbers at
or below the gate and writes one log entry with the root. It also keeps the number of each join key,
in the same transaction. If a key has its number already, the batch is left unwritten, looked at,
and tried again without that request. A lost reply is found by its root in the log
(`test_after_a_lost_reply_the_same_numbers_are_found`). A batch whose answers were lost for good is
settled once PostgreSQL answers: its numbers step aside until their keys ask again
(`test_a_number_that_belongs_to_nobody_takes_no_call_and_no_promise`).

Each call is an entry of the log. While small batches keep coming they go out a tenth of a second
apart, after the first twenty (`joining/spacing.py`); a lone join and a batch of sixteen never wait.

# Who may join

The entrance decides it (`entrance.py`): everybody, the bearer of an invitation, or one place for
each customer. If a shopper in a batch turns out to have a place already, the whole batch is left
unwritten, looked at, and tried again without that shopper. After four such races its joins are
tried one by one. Workers remember a batch of invitations for 5 s.

Each new place is counted for the network that it went to (`networks.py`). The workers exchange the
counts of busy networks once a second through Valkey; a join only looks at what its worker knows.
While a network or the room takes more places than people do, a join brings a proof (`proving/`).
Places beyond a network's bound are given in the lane behind (`joining/behind.py`).

# The board

Each worker keeps every room's rules and state document in memory (`board.py`) and answers `GET
/rooms/{room}/state` with the leader's own bytes. It asks Valkey for all rooms twice a second. If a
document has not been renewed for 3 s it reads PostgreSQL as well. Older versions are ignored.
Ended rooms are read again only when their logs have grown. The
standing of a waiting number is answered from the document too; only a number that the document has
passed or not yet seen asks the database.

The board also turns an entry of a draw into its number, and knows the few places that moved to
another device. A claim is guarded by the database all the same.

# Serving

Each worker reports through PostgreSQL once a second that it serves shoppers (`serving.py`). While
no worker does, the shoppers' clock stands still (`waitroom.store`) and the leader calls no number.

# The rest of a place

`tickets.py` joins, claims, leaves and says where a ticket stands (`standing.py`). `places.py` steps
aside and back, moves a place by a code, and gives more time. `returns.py` lets a ticket stay in
line for returns. None of them knows HTTP; `waitroom.web` speaks for them.
"""
