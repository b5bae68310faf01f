"""One process of callers in the race for the last five units: a script, so that each is its own.

It reads a line of JSON for each race, `{"sku": …, "sessions": […]}`, lets all of these sessions ask
for one unit at once, half of them through the batcher as in production and half each by itself, and
answers with a line that says how many got one and how many were told that none is left.
"""

import asyncio
import json
import sys
from collections import Counter
from uuid import uuid4

from shop import wish

from inventory.hold import HoldRequest
from inventory.hold_store import HoldStore, Placed
from inventory.kit.batcher import Batcher
from inventory.kit.database import open_pool
from inventory.kit.problem import Refusal
from inventory.refusals import OutOfStock


async def main(url: str) -> None:
    pool = await open_pool(url, size_max=8)
    store = HoldStore(pool)
    batcher: Batcher[HoldRequest, Placed] = Batcher("race", store.place)

    async def ask(number: int, session: int, sku: str) -> str:
        request = wish(session, key=uuid4(), **{sku: 1})
        try:
            if number % 2:
                answer: Placed | Refusal = await batcher.submit(request)
            else:
                (answer,) = await store.place([request])
        except Refusal as refusal:
            answer = refusal
        if isinstance(answer, Placed):
            return "placed"
        return "gone" if isinstance(answer, OutOfStock) else repr(answer)

    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        race = json.loads(line)
        asking = (ask(i, session, race["sku"]) for i, session in enumerate(race["sessions"]))
        sys.stdout.write(json.dumps(Counter(await asyncio.gather(*asking))) + "\n")
        sys.stdout.flush()
    await batcher.close()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
