"""The screen with the rules of a room has every rule that can be changed."""

import re

from inventory.kit.pages import static_folder
from waitroom.admin.bodies import RoomChange

# A macro of `admin/fields.html`, with the name of the rule that its field is for.
FIELD = re.compile(r"\{\{ \w+\(\"(\w+)\", \"([^\"]+)\", \"([^\"]+)\"")
# The message has a form of its own on the live screen, and a reason goes with a change.
ELSEWHERE = {"message", "reason"}


def test_the_rules_screen_explains_every_rule_that_can_be_changed() -> None:
    fields = FIELD.findall((static_folder() / "templates/admin/rules.html").read_text())

    assert {name for name, _, _ in fields} | ELSEWHERE == set(RoomChange.__struct_fields__)
    assert [name for name, _, says in fields if len(says.split()) < 3] == []
