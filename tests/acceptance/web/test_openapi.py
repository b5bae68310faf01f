"""The description of the API over HTTP."""

from typing import Any

from waitroom.run.app import Service, api_json


async def test_the_document_is_served_once_to_each_reader(service: Service, client: Any) -> None:
    answer = await client.get("/openapi.json")
    again = await client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})

    assert (answer.status, again.status) == (200, 304)
    assert await answer.json() == await api_json(service.settings)
