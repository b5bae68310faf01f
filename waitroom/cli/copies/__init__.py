"""Copies of the database: made in mid-sale, brought back, and what is then true for shoppers.

`dump.py` runs PostgreSQL's own programs. `commands.py` has `waitroom backup`, `restore` and
`restored`. A copy is one snapshot, and a sale goes on while it is made.

A database that was brought back is older than what shoppers were told. Tickets are signed and need
no row, so their numbers stand: the lines go on after the last number that anybody is known to have
(`waitroom.desk.unknown`, `take_up_numbers`). Claims, holds and orders that are younger than the
copy are lost with their rows, and their shoppers are back in line with their numbers. Rooms are
paused until an operator has looked through the gateway's payments.
"""
