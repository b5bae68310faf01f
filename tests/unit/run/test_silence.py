"""When a process counts as frozen, and when as one that cannot live."""

from waitroom.run.processes.silence import (
    DEATHS_MAX,
    DEATHS_WITHIN_S,
    FROZEN_AFTER_S,
    LOOK_COUNTS_MAX_S,
    RESTART_REST_MAX_S,
    START_MAX_S,
    Deaths,
    Silence,
)

LOOK_S = 0.25


def looks_until_frozen(silence: Silence, *, every_s: float) -> float:
    """Return the seconds for which looks find the process well."""
    looks = 0
    while not silence.look(every_s):
        looks += 1
    return looks * every_s


def test_a_process_is_frozen_when_it_has_been_silent_for_long() -> None:
    silence = Silence()
    silence.heard()

    assert looks_until_frozen(silence, every_s=LOOK_S) == FROZEN_AFTER_S


def test_a_process_that_waits_for_a_processor_is_not_frozen() -> None:
    silence = Silence()
    silence.heard()

    assert not any(silence.look(LOOK_S, waited_s=0.75 * LOOK_S) for _ in range(4 * 15))
    assert looks_until_frozen(silence, every_s=LOOK_S) == FROZEN_AFTER_S - 15 / 4


def test_one_beat_in_time_is_enough() -> None:
    silence = Silence()
    silence.heard()
    for _ in range(50):
        assert not silence.look(LOOK_S)
        silence.heard()


def test_a_process_that_starts_has_longer() -> None:
    assert looks_until_frozen(Silence(), every_s=LOOK_S) == START_MAX_S


def test_a_supervisor_that_was_frozen_itself_takes_nobody_for_frozen_when_it_wakes() -> None:
    silence = Silence()
    silence.heard()

    assert not silence.look(3600.0)
    assert looks_until_frozen(silence, every_s=LOOK_S) == FROZEN_AFTER_S - LOOK_COUNTS_MAX_S


def test_deaths_count_for_a_minute_and_slow_the_next_start_down() -> None:
    deaths = Deaths()
    rests = []
    for second in range(DEATHS_MAX):
        deaths.count(float(second))
        rests.append(deaths.rest_s)
        assert not deaths.too_many
    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (0.0, min(0.2 * (DEATHS_MAX - 1), RESTART_REST_MAX_S))

    deaths.count(float(DEATHS_MAX))

    assert deaths.too_many
    deaths.count(DEATHS_MAX + 2 * DEATHS_WITHIN_S)
    assert not deaths.too_many
