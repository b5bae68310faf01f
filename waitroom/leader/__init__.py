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
nothing (`test_old_leader_cannot_move_the_head`, `test_a_stale_term_writes_nothing`).

Each room has a task of its own (`controller.py`), and the heartbeat has one too. A lock, a slow
answer or an error in one room delays no other, and no long tick stops the shoppers' clock
(`test_a_locked_room_delays_no_other`). A room that has ended is led until its last shopper is out
and a document says so, and again when an operator changes it
(`test_an_ended_room_is_led_only_when_it_changes`).

# A tick

Once a second, for each room (`room_lead.py`):

    snapshot ──► decide ──► call ──► publish ──┐   what shoppers wait for
                                               │
                     forecast ◄── learn ◄──────┘   a task beside the ticks

The pure caller (`waitroom.line.caller`) decides and writes the document; a rehearsal drives the
same object, and a recorded course gives the same decisions in both
(`test_a_rehearsal_decides_as_production_did`). `call_numbers` carries a decision out: it moves the
gate, writes the admissions with their claim windows, adds promises and writes the log, in one
transaction. Before that the tick keeps the room's hours and takes a due step of its draw
(`drawing.py`).

Learning and forecasts come last, and each has a guard of its own. An error there is logged and
counted in `waitroom_leader_failures_total` (`measures.py`), and the room goes on calling and
publishing (`test_an_error_in_figures_keeps_no_shopper_from_being_called`). The last forecast then
stands, and after a while the document says from when it is. After a failed reading everything is
read again; until then the policy `expected` counts on every shopper inside to take a unit.

The leader reads only the journeys that changed since its last reading. Triggers write the changed
admissions into `journey_change`, and the leader takes its room's rows away as it reads, in one
snapshot with the stock. A new leader reads all open journeys and those of the last six hours, in
pieces. What happened before a stop of the shoppers' clock keeps its moment on that clock
(`shopper_at`, `test_a_stop_of_the_clock_does_not_move_what_happened_before_it`). Units that wait
for refused sessions count as taken, so no shopper is called for them.

Web workers count how long checkout's answers take and how many are errors, share the counts through
Valkey each second, and the leader adds them up (`health_watch.py`).

# The state document

After each tick the leader encodes one document for each room: head, tail, status, message, stock,
and a table of places 1, 2, 5, 10, … with waits, chance and `poll_s`. Clients interpolate between
rows.

    leader ──► PostgreSQL ──► Valkey ──► workers ──► clients and caches
               term checked   a day      0.5 s       ETag, max-age=1

1. `publish_state` writes it to PostgreSQL, if the leader's term is the office's and the version is
   newer. The version is one more than the last, or the Unix time if that is more, so it goes on
   rising after a restore.
2. `publish_state.lua` puts it into Valkey for a day, unless a later version is there.
3. Workers read it (`waitroom.desk`) and hand out the same bytes to everybody.
"""
