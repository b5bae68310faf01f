"""The controller and the sweeper, as they run in a sale; stops when standard input closes.

The log is JSON and goes to a file, in which `leader_watch` looks for failures.
"""

from server import Order, input_line, run, say

from waitroom.run.app import open_service
from waitroom.run.settings import Secrets


async def lead(order: Order) -> None:
    secrets = Secrets(signing_keys=order.signing_keys)
    roles = frozenset({"controller", "sweeper"})
    async with open_service(order.settings, secrets, roles=roles):
        say(b"ready")
        await input_line()


if __name__ == "__main__":
    # At any other level of the benchmark, a failed tick must still be seen.
    run(lead, level="warning", as_json=True)
