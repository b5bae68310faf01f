"""The shoppers' clock: it goes on while a controller leads and a web worker serves shoppers."""

from datetime import timedelta
from typing import Any

import pytest
from support import Shopper, admitted, execute, open_room, tick

from waitroom.run.app import Service


async def at(service: Service) -> Any:
    return (await execute(service, "SELECT shopper_now() AS t"))[0]["t"]


async def stopped(service: Service) -> timedelta:
    (office,) = await execute(service, "SELECT stopped FROM office")
    found: timedelta = office["stopped"]
    return found


async def pass_time(service: Service, seconds: float, *columns: str) -> None:
    """Let time pass in which none of these was written.

    What was claimed lies in the past of the shoppers' clock, which this sets back.
    """
    changed = ", ".join(f"{name} = {name} - make_interval(secs => $1)" for name in columns)
    await execute(service, f"UPDATE office SET {changed}", seconds)
    claimed = "UPDATE admission SET claimed_at = claimed_at - make_interval(secs => $1)"
    await execute(service, claimed, seconds)


async def test_the_shoppers_clock_stands_still_while_no_web_worker_serves(
    service: Service,
) -> None:
    await service.lines.report_serving()
    await service.controller.beat()
    stood = await stopped(service)
    await pass_time(service, 100, "served_at")

    first = await at(service)
    await service.controller.beat()
    assert await at(service) == first

    await service.lines.report_serving()
    gone = await at(service) - first
    assert timedelta(0) <= gone < timedelta(seconds=30)
    assert timedelta(seconds=97) <= await stopped(service) - stood < timedelta(seconds=127)


async def test_without_any_report_the_clock_goes_by_the_heartbeat_alone(service: Service) -> None:
    await service.controller.beat()
    first = await at(service)

    await service.controller.beat()

    assert await at(service) > first


@pytest.mark.parametrize("first_back", ["leader", "worker"])
async def test_stops_that_overlap_are_counted_once(service: Service, first_back: str) -> None:
    await service.lines.report_serving()
    await service.controller.beat()
    # The database may have stood unused for minutes before this test, which is a stop as well.
    await execute(service, "DELETE FROM clock_stop")
    await execute(service, "UPDATE office SET stopped = '0'")
    stood = await stopped(service)
    await pass_time(service, 60, "beat_at")
    await pass_time(service, 40, "beat_at", "served_at")
    before = await at(service)

    back = [service.controller.beat, service.lines.report_serving]
    for step in back if first_back == "leader" else reversed(back):
        assert await at(service) - before < timedelta(seconds=30)
        await step()

    assert timedelta(seconds=97) <= await stopped(service) - stood < timedelta(seconds=127)
    assert timedelta(0) <= await at(service) - before < timedelta(seconds=30)
    # Moments before, in and after the stop come back to their wall time.
    (moved,) = await execute(
        service,
        "SELECT wall_at(shopper_at(t)) - t AS by, t - shopper_at(t) AS off"
        " FROM (SELECT clock_timestamp() - interval '200 seconds' AS t) x",
    )
    assert abs(moved["by"]) < timedelta(seconds=1)
    assert abs(moved["off"]) < timedelta(seconds=1)


async def test_no_deadline_runs_and_no_number_is_called_while_no_worker_serves(
    service: Service, client: Any
) -> None:
    await open_room(service, skus={"mug": 2}, seats_max=1, hold_s=60, session_s=60)
    await service.lines.report_serving()
    await tick(service)
    holder = await admitted(client)
    hold = await (await holder.hold(mug=1)).json()
    waiting = Shopper(client)
    await waiting.join()
    await service.rooms.change("drop", '{"seats_max": 2}', who="test")
    await pass_time(service, 330, "served_at")

    await tick(service, 2)

    assert await service.holds.expire(100) == 0
    assert await service.office.end_due(100) == (0, 0)
    assert (await execute(service, "SELECT gate FROM line"))[0]["gate"] == 1
    await service.lines.report_serving()
    await tick(service)
    assert (await waiting.claim()).status == 201
    paid = await holder.pay(hold["hold_id"])
    assert paid.status == 201, await paid.text()
