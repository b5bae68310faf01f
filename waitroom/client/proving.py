"""Solutions of the challenges that joins meet under pressure (altcha, version 2)."""

import asyncio

from altcha import Challenge, Payload, solve_challenge

from inventory.kit.doors.decoding import Json

CODE = "proof_needed"
# A solution wanted later than this is worth nothing any more.
SOLVED_WITHIN_S = 120.0
# The pressure may rise while a program works, and by then the next challenge is harder.
PROOFS_MAX = 5


async def solved(challenge: Json) -> str:
    """Return the solution as joins send it, "" where none was found in time.

    The work is done in a thread and leaves the program's loop alone.
    """
    return await asyncio.to_thread(_solved, Challenge.from_dict(challenge))


def _solved(challenge: Challenge) -> str:
    solution = solve_challenge(challenge, timeout=SOLVED_WITHIN_S)
    return "" if solution is None else Payload(challenge, solution).to_base64()
