"""The leader: it decides the next calls, and publishes the one document that everybody reads.

# Taking office

Any number of controllers run; one leads. The table `office` has the leader, its term and its last
heartbeat.

                    no leader, or none heard of for the lease
        ┌─────────┐ ──────────────────────────────────────────► ┌─────────┐
        │ standby │        beat raises the term, in office      │ leading │
        └─────────┘ ◄────────── and in every line ───────────── └─────────┘
                     a later term was read, or this one resigned

A leader that stops resigns, so that a standby follows at its next tick. Calls check the term of the
line's own row, documents that of the office, so a leader that was frozen and wakes up writes
nothing (`test_old_leader_cannot_move_the_head`, `test_a_stale_term_writes_nothing`). Heartbeats
have a task of their own (`controller.py`), so a long tick does not stop the shoppers' clock. A
leader's memory (rates, allowances, documents published) may be lost with it.

# A tick

Once a second, for each room: read a snapshot, keep the room's hours, take a due step of its draw
(`drawing.py`), decide by the room's policy, call, publish. Decisions are pure and stand in
`waitroom.line`. `call_numbers` carries one out: it moves the gate, writes the admissions with their
claim windows, adds promises and writes the log, in one transaction.

The leader also reads how called shoppers fare, at each tick while few are inside, and never for
more than a twentieth of its time. A new leader reads the last six hours. Units that wait for
refused sessions count as taken, so no shopper is called for them.

Web workers count how long checkout's answers take and how many are errors, share the counts through
Valkey each second, and the leader adds them up (`health_watch.py`).

# The state document

After each tick the leader encodes one document for each room: head, tail, status, message, stock,
and a table of places 1, 2, 5, 10, … with waits, chance and `poll_s`. Clients interpolate between
rows.

    leader ──► PostgreSQL ──► Valkey ──► workers ──► clients and caches
               term checked   60 s       0.5 s       ETag, max-age=1

1. `publish_state` writes it to PostgreSQL, if the leader's term is the office's and the version is
   newer. The version is one more than the last, or the Unix time if that is more, so it goes on
   rising after a restore.
2. `publish_state.lua` puts it into Valkey for 60 s, unless a later version is there.
3. Workers read it (`waitroom.desk`) and hand out the same bytes to everybody.
"""
