"""A tick of joins: what each shopper came for, the batch, and the time that it waits for company.

`join_desk.py` gives out the places of one line. `behind.py` chooses between the main line and the
lane behind, `spacing.py` decides when a small batch goes out, and `chosen.py` looks up what a
shopper named. `waitroom.desk` tells the whole story.
"""
