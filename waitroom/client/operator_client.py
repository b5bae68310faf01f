"""The service as an operator's program sees it, by an API key."""

from inventory.kit.doors.decoding import Json
from waitroom.client.answers import AppliedFile
from waitroom.client.http_client import HttpClient


class OperatorClient:
    """Operators' calls with an API key. A call that the key may not make raises `Problem`."""

    def __init__(self, http: HttpClient, *, key: str) -> None:
        self._http = http
        self._key = key

    async def file_json(self, room: str) -> Json:
        """Return a room as a document, in the form that `apply` takes."""
        return await self._http.ask("GET", f"/admin/rooms/{room}/file", dict, bearer=self._key)

    async def apply(self, room: str, document: Json, *, dry_run: bool = False) -> AppliedFile:
        """Bring a room to a document, and return what changed; see `docs/integrate`."""
        return await self._http.ask(
            "PUT",
            f"/admin/rooms/{room}/file",
            AppliedFile,
            bearer=self._key,
            body=document,
            query={"dry_run": "true" if dry_run else "false"},
        )
