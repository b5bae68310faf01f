"""Proofs that a join brings under pressure: work, time waited, or an outside check.

In quiet times nothing is asked. A network is under pressure while it takes more new places than a
household or an office does, and a room while many networks are (`pressure`). Then a join is
refused with a challenge (`work`). The waiting page, the client and the load tool solve it by
themselves and join once more. A browser that cannot work, or works slowly, waits instead: the
refusal also has a stamp (`stamps`), which counts as a proof after some time. Each proof is worth
one place (`spent`). A room may also ask for the check of an outside provider (`human_check`, and
`provider` for the calls to it). `proofs` decides between them, and `refusals` asks the shopper.
"""
