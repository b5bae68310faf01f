"""The public log of a room: every act that touches the order of its lines, in a chain of hashes.

# Entries

An entry is a sequence number, a JSON text and a hash over the hash before it and the text. Entries
are: joins by tick with a Merkle root over their tickets; the closing and the draw; every call with
its reason and the figures it was decided on; every act of an operator; every exception to the order
(lanes, invitations, moves, profiles, stepping aside, revocations, resets); corrections of stock;
and once a minute the waits and chances that shoppers were told. No entry holds a name, an address
or a ticket. Operators' reasons are private; their salted hash stands in the log.

The head of the log is signed by the key that a draw announced (`signing.py`). It is derived from
the oldest signing key, so adding a key leaves it as it is. A log rewritten with hashes that fit is
found by an older signed head or a copy
(`test_a_rewritten_log_is_found_by_a_copy_which_says_where_they_part`).

# A draw

    announce ──► enter ──► close ──► sign ──► (public value) ──► reveal ──► call
    commitment   entries   count     Ed25519   from its source    seed
                           = head of the chain

1. **Announce.** A seed is derived from a random salt, which the database keeps, and a signing key
   of the service, so neither knows the order alone. The commitment and the public key stand in the
   log before the first entry.
2. **Enter.** Joins count `entries` in place of `tail`; log entry and receipt are as for joins.
   Nothing else is stored for an entry.
3. **Close.** Opening the room closes the entries in the same transaction. Their count stands in the
   log, the chain's hash there is the draw's head, and `tail` becomes the count. Later arrivals
   stand behind.
4. **Sign** count and head, then wait for the public value, if one was announced.
5. **Reveal** the seed. The order is a permutation keyed by room, line, seed, head, count and value
   (`draw.py`). Until then no number is called.

An entry's ticket is turned into its number wherever it is read, so a million entries are drawn at
once and nothing is stored for them. The database lets neither commitment, closing nor draw change,
and an announced rule cannot be taken back. A draw in a line that was reset after its entries closed
is a failure (`test_a_new_draw_in_a_line_begun_anew_is_a_redraw`).

`test_entries_become_numbers_that_anybody_can_compute`,
`test_nobody_enters_before_the_seed_is_fixed`, `test_nobody_is_called_before_the_draw`,
`test_two_controllers_make_one_draw`, `test_the_seed_is_nowhere_before_the_reveal`.

`docs/how-it-works/draw-and-log.md` specifies chain, draw and signatures with test vectors, and says
what the log proves and what it does not. `audit.py` takes each entry once, in order, and keeps 32
bytes of it; `verify` checks a log with it.

# Modules

* `chain`: the hashes of the chain, and the Merkle tree over a tick's tickets.
* `entries`: the vocabulary: what each kind of entry says, and which SQL function writes it.
* `reading`: the text of an entry as one of these kinds.
* `words`: each entry as a sentence for shoppers.
* `draw`: the order of the people who came before the opening.
* `receipt`: the proof of a place that a shopper keeps.
* `signing`: the key that signs closings and heads, and the check of its signatures.
* `audit`: the check of a whole log, with the modules of `verify/`.
"""
