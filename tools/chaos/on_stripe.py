"""`waitroom …` with a stand-in for Stripe, whose address no setting of the program could name."""

import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from waitroom.run import gateways


def main() -> None:
    """Run the command that follows, with payments going to the address in CHAOS_STRIPE."""
    gateways.open_gateway = partial(  # type: ignore[assignment]
        gateways.open_gateway, stripe_api=os.environ["CHAOS_STRIPE"]
    )
    # Imported only now, since it takes the function above for its own.
    from waitroom.cli.program import main as command  # noqa: PLC0415

    command(prog_name="waitroom")


if __name__ == "__main__":
    main()
