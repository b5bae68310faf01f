"""The description of the API over HTTP."""

import re
from typing import Any

from waitroom.run.app import Service, api_json


async def test_the_document_is_served_once_to_each_reader(service: Service, client: Any) -> None:
    answer = await client.get("/openapi.json")
    again = await client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})

    assert (answer.status, again.status) == (200, 304)
    assert await answer.json() == await api_json(service.settings)


async def test_the_page_has_every_call_and_leads_nowhere_else(
    service: Service, client: Any
) -> None:
    document = await api_json(service.settings)

    answer = await client.get("/api", headers={"Accept": "text/html"})
    page = await answer.text()

    assert answer.status == 200
    names = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(names) > 130
    assert set(names) <= set(ids)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert "<script" not in page
