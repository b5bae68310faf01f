"""When a worker counts as cut off from shoppers."""

from waitroom.run.way_in import CUT_OFF_AFTER_S, WayIn

EVERY_S = 2.0
LONG_S = 10 * CUT_OFF_AFTER_S


def cut_off_after(way_in: WayIn, *, led_to_us: bool | None, asks: bool = False) -> float | None:
    """Return when the worker counts as cut off if every probe from 0 s on ends so."""
    looks = int(LONG_S / EVERY_S)
    for look in range(looks):
        now = look * EVERY_S
        way_in.probed(led_to_us=led_to_us, answered=look if asks else 7, now=now)
        if way_in.is_cut_off(now):
            return now
    return None


def open_way() -> WayIn:
    way_in = WayIn()
    way_in.probed(led_to_us=True, answered=7, now=-EVERY_S)
    return way_in


def test_an_address_that_led_to_us_and_leads_to_nobody_cuts_a_quiet_worker_off() -> None:
    found = cut_off_after(open_way(), led_to_us=False)

    assert found is not None
    assert CUT_OFF_AFTER_S - EVERY_S <= found <= CUT_OFF_AFTER_S + EVERY_S


def test_while_shoppers_ask_nothing_is_cut_off() -> None:
    assert cut_off_after(open_way(), led_to_us=False, asks=True) is None


def test_silence_of_shoppers_alone_cuts_nothing_off() -> None:
    assert cut_off_after(open_way(), led_to_us=True) is None
    assert cut_off_after(WayIn(), led_to_us=None) is None


def test_an_address_that_never_led_to_us_proves_nothing() -> None:
    assert cut_off_after(WayIn(), led_to_us=False) is None


def test_one_request_or_one_good_probe_opens_the_way_again() -> None:
    way_in = open_way()
    now = cut_off_after(way_in, led_to_us=False)
    assert now is not None

    way_in.probed(led_to_us=False, answered=8, now=now + EVERY_S)
    assert not way_in.is_cut_off(now + EVERY_S)

    way_in = open_way()
    cut_off_after(way_in, led_to_us=False)
    way_in.probed(led_to_us=True, answered=7, now=now + EVERY_S)
    assert not way_in.is_cut_off(now + EVERY_S)


def test_a_worker_that_has_not_probed_yet_is_not_cut_off() -> None:
    assert not WayIn().is_cut_off(1e9)
