"""An example for each operation, as a test saw it on its way over the wire.

`WAITROOM_EXAMPLES=waitroom/run/openapi/examples.json pytest -n 0 tests/acceptance/web` writes the
file from what the tests send and get. A test holds each example against the schema of its body.
"""

from importlib.resources import files

import msgspec

from waitroom.run.openapi.document import Example


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent to an operation and what it answered, by the status."""

    request: object = None
    answers: dict[int, object] = {}


_SEEN = msgspec.json.Decoder(dict[str, Seen])


def read_examples() -> dict[str, Example]:
    """Return the examples by the names of their operations."""
    text = files("waitroom.run.openapi").joinpath("examples.json").read_bytes()
    return {
        name: Example(request=seen.request, answers=seen.answers)
        for name, seen in _SEEN.decode(text).items()
    }
