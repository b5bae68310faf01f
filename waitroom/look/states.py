"""The states of shoppers' pages that a preview can show. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownState:
    """A state: its name in addresses, its words, the room's status, and that of the ticket.

    The ticket's is "none" without one, and "moved" for a place on another device. `draws` says
    whether the room orders its early arrivals by a draw. `page` is the page: "waiting", or another
    of the shop and the checkout.
    """

    name: str
    title: str
    room: str = "open"
    ticket: str = "none"
    draws: bool = False
    page: str = "waiting"


STATES = (
    ShownState(name="scheduled", title="Scheduled", room="scheduled"),
    ShownState(name="early", title="Doors open, not yet in line", room="before_opening"),
    ShownState(
        name="kept", title="Waiting for the opening", room="before_opening", ticket="waiting"
    ),
    ShownState(
        name="entered",
        title="Entered in the draw",
        room="before_opening",
        ticket="entered",
        draws=True,
    ),
    ShownState(name="drawing", title="Being drawn", room="drawing", ticket="entered", draws=True),
    ShownState(name="none", title="Open, not yet in line"),
    ShownState(name="waiting", title="Waiting", ticket="waiting"),
    ShownState(name="paused", title="Waiting, paused", room="paused", ticket="waiting"),
    ShownState(name="called", title="Called", ticket="called"),
    ShownState(name="claimed", title="Inside", ticket="claimed"),
    ShownState(name="missed", title="Missed the call", ticket="missed"),
    ShownState(name="aside", title="Stepped aside", ticket="aside"),
    ShownState(name="moved", title="On another device", ticket="moved"),
    ShownState(name="left", title="Left the line", ticket="left"),
    ShownState(name="over", title="Used up", ticket="over"),
    ShownState(name="revoked", title="Taken back", ticket="revoked"),
    ShownState(name="sold_out", title="Sold out", room="sold_out", ticket="waiting"),
    ShownState(name="ended", title="Ended", room="ended", ticket="waiting"),
    ShownState(name="shop", title="Shop: all products", page="shop"),
    ShownState(name="product", title="Shop: one product", page="product"),
    ShownState(name="product_over", title="Shop: product, ended", room="ended", page="product"),
    ShownState(name="choosing", title="Checkout: choosing", page="checkout"),
    ShownState(name="gone", title="Checkout: choice sold out", page="checkout"),
    ShownState(name="held", title="Checkout: basket held", page="checkout"),
    ShownState(name="declined", title="Checkout: payment declined", page="checkout"),
    ShownState(name="through", title="Through a gate without goods", page="through"),
    ShownState(name="left_checkout", title="Checkout: left", page="over"),
    ShownState(name="session_over", title="Checkout: time over", page="over"),
    ShownState(name="paid", title="Order: paid", page="order"),
    ShownState(name="paying", title="Order: payment in progress", page="order"),
    ShownState(name="cancelled", title="Order: cancelled", page="order"),
)
BY_NAME = {state.name: state for state in STATES}
