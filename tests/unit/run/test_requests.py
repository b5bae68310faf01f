"""The loop over the requests of a connection, which is aiohttp's but for what it keeps."""

import inspect
from hashlib import sha256

from aiohttp.web_protocol import RequestHandler

# Of `RequestHandler.start` in aiohttp 3.14.5, to which `Requests.start` was compared.
READ = "2e565fd40c8e04fb"


def test_aiohttp_s_own_loop_is_the_one_that_ours_was_compared_to() -> None:
    source = inspect.getsource(RequestHandler.start)

    assert sha256(source.encode()).hexdigest().startswith(READ), (
        "aiohttp has changed its loop: carry what changed over to Requests.start"
    )
