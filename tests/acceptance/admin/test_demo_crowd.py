"""The simulated crowd of a demonstration: one worker runs it, and every worker can tell of it."""

import pytest
from programs import Site, all_know
from support import eventually, open_room

from inventory.kit.doors.decoding import Json
from waitroom.admin.rooms.crowd import CrowdReport, Crowds, Shared
from waitroom.refusals import CrowdRunning
from waitroom.run.app import Service


async def test_every_worker_reads_the_progress_and_the_result_of_a_crowd(
    service: Service, site: Site
) -> None:
    await open_room(service, skus={"mug": 1})
    await all_know(site)
    here = Crowds(base_url=site.url, share=Shared(service.memory))
    elsewhere = Crowds(base_url=site.url, share=Shared(service.memory))

    async def said(*, running: bool) -> Json | None:
        report = await elsewhere.report("drop")
        if report.running is not running:
            return None
        return report.progress if running else report.result

    before = await elsewhere.report("drop")
    await here.start("drop", shoppers=3, arrive_s=0.1)
    try:
        with pytest.raises(CrowdRunning):
            await elsewhere.start("drop", shoppers=3, arrive_s=0.1)
        meanwhile = await eventually(lambda: said(running=True))
        await elsewhere.stop("drop")
        after = await eventually(lambda: said(running=False))
    finally:
        await here.close()

    assert before == CrowdReport(running=False)
    assert meanwhile["shoppers"] == 3
    assert (after["room"], after["shoppers"]) == ("drop", 3)
