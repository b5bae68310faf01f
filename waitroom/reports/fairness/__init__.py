"""How fair a sale was, counted from its public log and the books, and the log as people read it.

`record` reads the log, `stretch` tells from it who came when and was called when, `overtaking`
counts who was passed, `forecast` holds what was published against what came, `report` says what
each figure means and `verdict` says it in words; `words` does so for each entry of the log. All of
these are pure. `fairness_store` reads, `api` and `log_pages` show. Nothing is gathered while the
sale runs, and no figure is about one person.
"""
