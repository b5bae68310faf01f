"""Checking a room's public log, from the log itself and a shopper's own copies and receipt.

The checks ask the service for nothing but public data, and trust none of it: entries are read as
they were served, hashes are computed again, and an entry that cannot be read is itself a finding.

* `finding`: the result of a check, in words for a shopper.
* `links`: each entry follows from the one before it, in text and in time.
* `line`: numbers are given and called in order.
* `ballot`: a line's draw, from the announcement to the revealed seed.
* `exceptions`: departures from the order are counted.
* `witness`: signed heads and other copies of the same log.
* `receipt`: one shopper's own place.

All of these are pure. They take each entry once, in order, so a log of any length needs 32 bytes of
memory for each entry and no more. `sources` and `fetch` read the entries from files and addresses.
`waitroom.log.entries` has the fields of each kind of entry.
"""
