"""The document of a room: what is refused before any service is asked."""

from typing import Any

import pytest

from waitroom.admin.rooms.files.room_file import faults

PROFILE = {"name": "More time", "time_factor": 2.0}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"lanes": {"fast-track": 1.0}}, "a letter first"),
        ({"lanes": {"1st": 1.0}}, "a letter first"),
        ({"profiles": {"x" * 32: PROFILE}}, "1 to 31"),
    ],
)
def test_a_name_that_the_tables_refuse_is_refused_at_once(
    said: dict[str, Any], sentence: str
) -> None:
    assert sentence in "; ".join(words for _, words in faults(said))


def test_a_name_that_the_tables_take_is_taken() -> None:
    assert faults({"lanes": {"press2": 1.0}, "profiles": {"more-time": PROFILE}}) == []
