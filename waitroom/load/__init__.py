"""A crowd of simulated shoppers against any running instance, over HTTP alone.

`behaviour` says how shoppers behave and draws one shopper's plan; it is pure. `shopper` lives one
plan: it joins, waits as the state document tells it to, claims, and `purchase` shops and pays.
`wire` carries every request, repeats what has to be repeated with the same key, and counts.
`crowd` runs all shoppers and adds up what became of them; `command` is `waitroom load`.

A shopper keeps a `Journey`: everything that the service told it and that a test may hold against
the service afterwards. Shoppers scale their own times by the pace; the service's times (when to
ask again, Retry-After) are obeyed as they are, and jitter only ever shortens a poll.
"""
