"""A crowd of simulated shoppers against any running instance, over HTTP alone.

`behaviour` says how shoppers behave and draws one shopper's plan; it is pure. `shopper` lives one
plan: it joins, waits as the state document tells it to, claims, and `purchase` shops and pays.
`wire` carries every request, repeats with the same key, and counts. `crowd` runs all shoppers and
adds up their outcomes. The command is `waitroom load`.

A shopper keeps a `Journey`: every answer of the service that a test may hold against it afterwards.
Shoppers scale their own times by the pace; the service's times (when to ask again, Retry-After) are
obeyed as they are, and jitter only ever shortens a poll.
"""
