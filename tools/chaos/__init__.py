"""Faults under a live crowd, and a checker of what everybody was promised.

    make chaos SEEDS=5 ONLY="a web process killed"

One run starts the program in processes of its own on engines of its own (`stage`), lets a crowd of
shoppers loose on it (`crowd`, `shopper`, `client`), and in mid-sale does one thing that should not
happen (`faults`). A seed fixes the dice of shoppers and faults; the order in which processes answer
stays the machine's.

The crowd is a client of its own, which shares no code with the program: it knows the API as the
docs describe it, and obeys what it is told. Every answer is kept (`told`). At the end the
tables and the public log are read (`books`), and `promises` holds the one against the other. The
checker imports nothing of the program either, so it cannot share its mistakes.

A fault is one small function in `faults`, which returns when the fault is over:

    @fault("the controller is killed")
    async def controller_killed(stage: Stage, dice: Random) -> None:
        stage.kill(stage.process("controller,sweeper"))

What it needs of the stage, such as a wire that can lose replies, stands in its decorator. `runs`
puts one run together, `report` makes the table of all of them in docs/chaos.md.
"""
