"""Learning what called shoppers do, from what they have done so far. Pure.

* `journey` is one admission as the leader reads it.
* `demand` sees each change of an open admission and each finished one once, and counts the time of
  all others by itself.
* `rates` counts going on and dropping out by age; admissions that are still open are censored, and
  so are shoppers who had nothing to find. A crowd that changes is noticed, and what it did before
  then counts less.
* `patience` says what is to be expected at ages that no shopper has come to yet.
* `latecomers` counts the shoppers who missed their call and will come back for another.
"""
