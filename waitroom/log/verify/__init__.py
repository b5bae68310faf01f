"""Checking a room's public log, from the log itself and what a shopper has kept.

Nothing here asks the service for anything but public data, and nothing trusts it: entries are read
as they were served, hashes are computed again, and an unreadable entry is itself a finding.

* `finding`: the result of a check, in words for a shopper.
* `links`: every entry follows from the one before it, in text and in time.
* `line`: numbers are given and called in order.
* `ballot`: a line's draw, from the announced seed to the last number.
* `exceptions`: every departure from the order is counted.
* `witness`: signed heads and other copies of the same log.
* `receipt`: one shopper's own place.

All of these are pure and see each entry once, in order, so a log of any length needs 32 bytes for
each entry and no more. `sources` and `fetch` bring the entries from files and addresses.
`waitroom.log.entries` has the fields of each kind of entry.
"""
