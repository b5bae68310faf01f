"""The refusal of a claim for the sake of other networks."""

from inventory.kit.problem import Refusal

# Some session of the network may have ended by then.
AGAIN_S = 15


class NetworkFull(Refusal):
    """The network of the claim leaves most baskets unpaid, and has as many sessions as it may."""

    code, status = "network_full", 409
    title = (
        "Shoppers at your internet connection hold many items that are not paid for. Pay for those "
        "that you hold, or try again in a minute."
    )

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(AGAIN_S)})
