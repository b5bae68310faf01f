"""When a worker counts as cut off from shoppers."""

import pytest

from waitroom.run.way_in import WayIn


def open_way() -> WayIn:
    way_in = WayIn()
    way_in.probed(led_to_us=True, answered=7)
    return way_in


def test_an_address_that_led_to_us_and_leads_to_nobody_cuts_a_quiet_worker_off() -> None:
    way_in = open_way()

    way_in.probed(led_to_us=False, answered=7)

    assert way_in.is_cut_off


def test_while_shoppers_ask_nothing_is_cut_off() -> None:
    way_in = open_way()

    for answered in range(8, 30):
        way_in.probed(led_to_us=False, answered=answered)
        assert not way_in.is_cut_off


@pytest.mark.parametrize("led_to_us", [True, None])
def test_silence_of_shoppers_alone_cuts_nothing_off(*, led_to_us: bool | None) -> None:
    way_in = open_way()

    for _ in range(20):
        way_in.probed(led_to_us=led_to_us, answered=7)
        assert not way_in.is_cut_off


def test_an_address_that_never_led_to_us_proves_nothing() -> None:
    way_in = WayIn()

    for _ in range(20):
        way_in.probed(led_to_us=False, answered=7)
        assert not way_in.is_cut_off


@pytest.mark.parametrize(("led_to_us", "answered"), [(False, 8), (True, 7)])
def test_one_request_or_one_good_probe_opens_the_way_again(
    *, led_to_us: bool, answered: int
) -> None:
    way_in = open_way()
    way_in.probed(led_to_us=False, answered=7)
    assert way_in.is_cut_off

    way_in.probed(led_to_us=led_to_us, answered=answered)

    assert not way_in.is_cut_off


def test_a_worker_that_has_not_probed_yet_is_not_cut_off() -> None:
    assert not WayIn().is_cut_off
