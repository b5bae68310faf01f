"""The calendar file of an opening keeps to RFC 5545."""

from datetime import UTC, datetime

from waitroom.web.waiting.calendar import LINE_OCTETS_MAX, calendar

OPENS_AT = datetime.fromisoformat("2026-12-01T19:00:00+01:00")


def written(name: str) -> bytes:
    return calendar(
        room="drop",
        name=name,
        text="Come early; bring, say, a friend\\\nor two",
        url="https://shop.example/rooms/drop",
        opens_at=OPENS_AT,
        written_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    )


def test_an_opening_is_an_event_with_a_reminder() -> None:
    lines = written("Drop").decode().split("\r\n")

    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    for line in (
        "UID:opening-drop@shop.example",
        "DTSTAMP:20261122T093000Z",
        "DTSTART:20261201T180000Z",
        "SUMMARY:Drop",
        r"DESCRIPTION:Come early\; bring\, say\, a friend\\\nor two",
        "TRIGGER:-PT10M",
    ):
        assert line in lines


def test_long_names_are_folded_between_signs_and_no_name_adds_a_line() -> None:
    name = "Ünïcode ☕ " * 20 + "\r\nEND:VEVENT"

    body = written(name)

    lines = body.split(b"\r\n")
    assert max(map(len, lines)) <= LINE_OCTETS_MAX
    assert b"\nEND:VEVENT\r" in body
    assert lines.count(b"END:VEVENT") == 1
    unfolded = body.decode().replace("\r\n ", "")
    assert f"SUMMARY:{'Ünïcode ☕ ' * 20} \\nEND:VEVENT" in unfolded
    for line in lines:
        line.decode()
