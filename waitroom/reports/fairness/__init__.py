"""The fairness of a sale, counted from its public log and the books.

The report is counted from the log, and from the books for the facts that the log does not hold: who
gave up, came back, or found nothing. `record` reads the log. `stretch` cuts the numbers into
stretches that fared alike, so a million shoppers in line cost no more than the ticks they came in.
`overtaking` counts the shoppers who were passed while they were there, with a Fenwick tree for each
line, by cause; an overtaking without a recorded cause is a fault, and the verdict says it first.
`forecast` holds published waits and chances against the outcome of the numbers that they were told
to. `report` says what each figure means and `verdict` says it in words. All of these are pure;
`fairness_store` reads.

The report reads one snapshot and locks nothing, and is kept for a while, since the public may ask
for it. `test_whoever_was_overtaken_is_counted_as_one_would_by_hand` counts one by hand.
"""
