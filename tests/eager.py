"""A crowd of shoppers who each want one unit and pay for it, ten times as quick as people."""

from waitroom.load.behaviour import Behaviour

PACE = 0.1


def eager(shoppers: int, *, arrive_s: float = 0.3) -> Behaviour:
    """Return its behaviour; all have arrived after `arrive_s`."""
    return Behaviour(
        shoppers=shoppers,
        arrive_s=arrive_s / PACE,
        leave_share=0,
        no_show_share=0,
        late_share=0,
        want_share=1,
        pay_share=1,
        second_unit_share=0,
        decline_share=0,
        double_click_share=0.1,
        pace=PACE,
    )
