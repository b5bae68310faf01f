"""Rehearsals of a real room: its rules, its stock, and its own log played again."""

import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, open_room, tick

from inventory.kit.problem import NotFound
from waitroom.cli.rehearse import rules_and_stock
from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.scenario.recording import Recording, read_recording
from waitroom.rehearse.scenario.scenario import Scenario, ScenarioError
from waitroom.run.app import Service


async def recorded(service: Service) -> Recording:
    entries = await service.public_log.entries("drop", after=0, limit=1000)
    return read_recording((entry.body for entry in entries), name="drop")


async def test_a_room_is_rehearsed_with_its_own_rules_and_stock(service: Service) -> None:
    rules = {"policy": "rate", "seats_max": 7, "calls_per_minute": 30, "hold_s": 200}
    await open_room(service, skus={"mug": 5, "cap": 3, "hat": 0}, **rules)

    found, stock = await rules_and_stock(service.pool, "drop")

    assert (found.policy, found.seats_max, found.calls_per_minute, found.hold_s) == (
        "rate",
        7,
        30,
        200,
    )
    assert stock.units == 8
    assert dict(zip((sku.sku for sku in stock.skus), stock.units_of_skus(), strict=True)) == {
        "mug": 5,
        "cap": 3,
    }


async def test_a_room_without_stock_or_an_unknown_one_is_refused(service: Service) -> None:
    await open_room(service, skus={})

    with pytest.raises(ScenarioError, match="the room drop has nothing to sell"):
        await rules_and_stock(service.pool, "drop")
    with pytest.raises(NotFound):
        await rules_and_stock(service.pool, "nix")


async def test_the_log_of_a_real_sale_can_be_played_again(
    service: Service, client: TestClient
) -> None:
    await open_room(service, skus={"mug": 4, "cap": 2}, status="scheduled", seats_max=9)
    await service.rooms.set_status("drop", "open", who="test")
    await service.board.refresh(rooms=True)
    shoppers = [Shopper(client) for _ in range(12)]
    for shopper in shoppers:
        await shopper.join()
    await tick(service, 2)
    await service.rooms.change("drop", '{"seats_max": 3}', who="test")
    await service.ledger.move("cap", kind="received", quantity=5, who="test")
    await service.rooms.set_status("drop", "paused", who="test")

    recording = await recorded(service)

    assert len(recording.arrivals) == 12
    assert recording.called == 6
    assert recording.units == {"mug": 4, "cap": 2}
    assert [(sku, units) for _, sku, units in recording.stock_changes] == [("cap", 5)]
    assert recording.rules["seats_max"] == 9
    assert recording.rules["calls_per_minute"] is None
    assert recording.assumed == []
    assert recording.rules["policy"] == "guaranteed"
    assert [is_open for _, is_open in recording.open] == [True, False]
    found = recording.scenario(Scenario())
    again = Simulation(found, seed=1, course=recording.course(found.rules))
    while again.now < 3:
        again.step()
    assert len(again.admitted) == 6
