"""Fixtures that the tests of peers share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from peers.samples import served


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Callable[[str, str, str], Awaitable[str]]]:
    """Serve samples of the docs by their names, in front of a waitroom."""
    async with AsyncExitStack() as stack:

        async def serve(name: str, issuer: str, reach: str) -> str:
            folder = tmp_path / name.partition(".")[0]
            folder.mkdir()
            return await stack.enter_async_context(served(name, issuer, reach, folder))

        yield serve
