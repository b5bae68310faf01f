"""The line: tickets, lanes, calls and waits. Pure; time comes in as an argument.

# A line is two numbers

`tail` is the last number given, `gate` the number up to which tickets are called. The head is the
lesser of the two, and a place is `number - head`. A number that waits has no row, no key and no
timer anywhere: whether it is called is `number <= head`, and whose it is stands in the signed
ticket. A join costs the line's row one update for each batch, and the log one entry. Rows begin
with the call. There is one exception: a shopper who gives up a place while waiting gets an
admission with the state `left`, so that `call_numbers` steps over the number and calls one more
(`test_numbers_that_left_are_stepped_over`).

The gate may stand ahead of the tail while there is room to spare; then an arrival is called as it
joins. It may be drawn back, but never below the head.

# An admission

    waiting ──call──► called ──claim──► claimed ──deadline, leaving, order──► ended
       │                │ ▲
       │         window │ │ called again, before anyone new
       │                ▼ │
       │              missed ──grace is over──► stays missed
       └──leave──► left

A ticket is called by its number alone, claimed once, and bound to the ticket that claimed it.
Stepping aside writes the admission as missed before its call, and the gate steps over it. Coming
back before that deletes the row; coming back later counts as coming back after a missed call.

# Whom to call

`caller.py` is asked once a second, with a snapshot of the room that has its rules, stock and lines
(`snapshot.py`). It remembers observations and never rules, so a change of a rule counts from the
next tick on (`test_a_limit_that_is_raised_in_mid_sale_is_known_at_once`). A policy takes what the
caller knows and returns a decision (`policy.py`). Shoppers who missed a call and came
back go first, by number, whatever their lane. The rest of the budget moves the gates: lanes share
it by smooth weighted round-robin (`lanes.py`,
`test_over_time_each_lane_has_its_share_of_the_calls`). `guaranteed` calls one shopper for each unit
that is not promised, `rate` as many as seats and calls a minute allow while something is free, and
`expected` as many as the stock can serve, judging by `forecast`.

`checkout_health.py` bounds the calls while checkout is slow or failing. Slowness alone never stops
them, and a failing checkout gets one call in ten seconds to see whether it still fails
(`test_slowness_alone_never_stops_the_calls`, `test_a_checkout_that_fails_is_sent_hardly_anybody`).

# The time to come

No shopper may miss a call by obeying the page. `PollPromises` (`wait.py`) remembers which documents
were published in the last half minute and more. A document may be believed until 6 s after its
successor. For the numbers of a call, `heard_by` is the latest moment at which any such document
told the first or the last of them to ask again, and the claim window begins then, or now if that is
later. A leader new in office does not know its predecessor's documents and assumes the longest: 36
s from its start (`test_nobody_was_told_to_ask_later_than_they_are_waited_for`,
`test_the_claim_window_counts_from_when_a_number_was_told_to_ask_again`,
`test_whoever_looks_when_told_is_in_time_when_a_restock_calls_far_faster_than_promised`,
`test_a_new_leader_assumes_the_longest_promise`,
`test_every_number_of_a_call_is_waited_for_until_it_was_told_to_ask`).

Numbers that are called as they join know it at once, so their window starts then. An unclaimed call
stays good until the sweeper has ended it
(`test_a_late_claim_is_good_until_the_call_was_given_away`).

The pause between two polls, `poll_s`, is a tenth of the shorter expected wait, from 2 to 30 s. So
the rate of polls grows with the logarithm of the line's length, and behind a cache not at all.
"""
