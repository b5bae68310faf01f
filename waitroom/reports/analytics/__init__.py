"""What a sale came to, counted from the books: orders, holds, admissions and the room's log.

`report` says what each figure means, `waits` reads the waits off the log; both are pure.
`analytics_store` counts. Nothing is gathered while the sale runs, so it costs the sale nothing.
"""
