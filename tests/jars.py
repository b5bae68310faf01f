"""Browsers without a window: their cookies, and requests as a page of theirs sends them."""

from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

BY_PAGE = {"Sec-Fetch-Site": "same-origin"}
HTML = {"Accept": "text/html"}


class Jar:
    """A browser's cookies, oldest first, without their dates."""

    def __init__(self, **kept: str) -> None:
        self.kept = kept

    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.kept.items())

    def hear(self, answer: ClientResponse) -> None:
        for line in answer.headers.getall("Set-Cookie", ()):
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.kept.pop(name, None)
            else:
                self.kept[name] = value


class Browser:
    """A browser that opens pages of one service, and keeps their cookies."""

    def __init__(self, client: TestClient[Any, Any], **kept: str) -> None:
        self._client = client
        self.jar = Jar(**kept)

    async def ask(self, method: str, path: str, **options: Any) -> ClientResponse:
        """Send a request as a script of a page does."""
        headers = {"Cookie": self.jar.header(), **BY_PAGE, **options.pop("headers", {})}
        answer = await self._client.request(
            method, path, headers=headers, allow_redirects=False, **options
        )
        self.jar.hear(answer)
        return answer

    async def open(self, path: str) -> str:
        """Open a page, follow where it leads, and return the last page."""
        for _ in range(5):
            answer = await self.ask("GET", path, headers=HTML)
            if answer.status not in {302, 303}:
                break
            path = answer.headers["Location"]
        return await answer.text()

    async def press(self, path: str, **fields: str) -> ClientResponse:
        """Send a form of a page."""
        return await self.ask("POST", path, data=fields, headers=HTML)

    async def copy(self, *names: str) -> "Browser":
        """Return another browser, with pages of its own, into which some cookies were copied."""
        other = Browser(self._client)
        await other.open("/rooms/drop")
        other.jar.kept |= {name: self.jar.kept[name] for name in names}
        return other
