"""The same random steps on `books/` and on a real PostgreSQL, by the same stores; answers compared.

Each side has its own ids, so an answer is compared without them: by numbers, keys and verdicts.
"""
