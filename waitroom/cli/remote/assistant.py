"""`waitroom mcp`: lets an assistant watch rooms, and steer them with a confirmation."""

import asyncio

import click

from waitroom.cli.options import fail, plainly
from waitroom.client.http_client import HttpClient
from waitroom.client.operator_client import OperatorClient


@click.command()
@click.option("--url", envvar="WAITROOM_URL", required=True, help="The service's address.")
@click.option(
    "--key", envvar="WAITROOM_KEY", required=True, help="An API key with figures, and steer."
)
@plainly
def mcp(url: str, key: str) -> None:
    """Serve an assistant over standard input and output (Model Context Protocol)."""
    try:
        # The extra is for few, and brings several packages.
        from waitroom.assistant.tools_api import serve_assistant  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fail(f"this needs the extra mcp, pip install 'waitroom[mcp]': {error}")

    async def serve() -> None:
        async with HttpClient(url) as http:
            await serve_assistant(OperatorClient(http, key=key)).run_stdio_async()

    asyncio.run(serve())
