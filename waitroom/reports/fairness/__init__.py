"""The fairness of a sale, counted from its public log and the database.

The log has the joins, the calls and the exceptions. The database adds the facts that the log does
not hold: which numbers were given up, came back, or found nothing.

* `stretch`: when people came and were called. It cuts the numbers into stretches that fared alike,
  so a million shoppers in line cost no more than the ticks they came in.
* `ranges`: the same in bounded memory. In a log of hundreds of thousands of entries neighbours are
  taken together, and the report says to how many seconds its waits are exact.
* `overtaking`: how many people were overtaken, and by which cause, with a Fenwick tree for each
  line. An overtaking without a recorded cause is a fault, and the verdict says it first.
* `arrival`: how long people waited, by when they arrived.
* `forecast`: published waits and chances against what happened to their numbers.
* `draws`: whether each draw was made as announced.
* `fairness_report`: the figures and their meaning, put together as the log goes by.
* `verdict`: the report in a few sentences.

All of these are pure; `fairness_store` reads. The report locks nothing. It reads the end of the log
and the books in one snapshot, and what came before page by page. It is kept for a while, since the
public may ask for it at any time. If it takes long, requests are refused with 503 and `Retry-After`
while it is being made. No figure is about one person.
`test_whoever_was_overtaken_is_counted_as_one_would_by_hand` counts one by hand.
"""
