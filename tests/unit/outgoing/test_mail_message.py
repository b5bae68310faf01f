"""What is written to people, to whom it may be written, and what an answer means."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default as parsing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.kit.doors.decoding import convert
from inventory.kit.language.catalogues import english
from waitroom.outgoing.mail.attempt import ATTEMPTS_MAX, RETRY, SCHEDULE_S, RelayAnswer, judge
from waitroom.outgoing.mail.mail_store import Mail
from waitroom.outgoing.mail.message import Called, Turn, one_line, spell_moment, write_message
from waitroom.outgoing.mail.relay import parse_relay, parse_sender
from waitroom.outgoing.outcome import Fate
from waitroom.run.keys.secrets_file import add_coming_key, generate_secrets
from waitroom.run.settings import Secrets, Settings, SettingsError, load_secrets

NOW = datetime(2026, 10, 3, 13, 50, tzinfo=UTC)
SENDER = Address(display_name="The shop", addr_spec="queue@shop.example")
URL = "smtp://ada:s%40crets@mail.example"


def written(name: str = "Drop", **changes: object) -> EmailMessage:
    call = Called(room="drop", name=name, number=1234, claim_until=NOW + timedelta(minutes=15))
    values = {
        "mail_id": 7,
        "created_at": NOW,
        "kind": "called_for_returns",
        "facts": msgspec.json.encode(call).decode(),
        "to": "ada@example.com",
        "sender": SENDER,
        "base_url": "https://shop.example",
        "now": NOW,
        **changes,
    }
    return write_message(**values)  # type: ignore[arg-type]


def turn(kind: str, claim_until: datetime | None) -> EmailMessage:
    facts = Turn(room="drop", name="Drop", number=1234, key="k-1", claim_until=claim_until)
    return read_back(written(kind=kind, facts=msgspec.json.encode(facts).decode()))


def read_back(message: EmailMessage) -> EmailMessage:
    found = message_from_bytes(message.as_bytes(), policy=parsing)
    assert isinstance(found, EmailMessage)
    return found


def test_a_message_says_what_for_which_number_until_when_and_where() -> None:
    message = read_back(written())

    assert message["To"] == "ada@example.com"
    assert message["From"] == "The shop <queue@shop.example>"
    assert message["Subject"] == "It is your turn: Drop"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert "Your number: 1,234" in text
    assert "Come before: Oct 3, 2026, 14:05 UTC" in text
    assert "https://shop.example/rooms/drop" in text.splitlines()


def test_a_message_is_plain_text_and_nothing_else() -> None:
    message = read_back(written("Gläser"))

    assert message.get_content_type() == "text/plain"
    assert not message.is_multipart()
    assert list(message.iter_attachments()) == []
    assert "Gläser" in message.get_content()
    assert message.as_bytes().isascii()


def test_a_copy_of_a_message_has_the_same_id_and_another_message_has_not() -> None:
    first, copy, other = written(), written(now=NOW + timedelta(minutes=1)), written(mail_id=8)

    assert first["Message-ID"] == copy["Message-ID"]
    assert first["Message-ID"] != other["Message-ID"]


@given(name=st.text(max_size=200))
def test_no_name_of_a_room_adds_a_header(name: str) -> None:
    plain = set(read_back(written()).keys())

    message = read_back(written(name))

    assert set(message.keys()) == plain
    assert message["To"] == "ada@example.com"
    assert message["Subject"].startswith("It is your turn:")


def test_a_name_with_line_breaks_stays_on_one_line() -> None:
    message = read_back(written("Drop\r\nBcc: eve@example.com\x00\u2028x"))

    assert message["Bcc"] is None
    assert message["Subject"] == "It is your turn: Drop Bcc: eve@example.com x"
    assert one_line("  a\t b ") == "a b"
    assert len(one_line("x" * 500)) == 80


def test_an_address_that_is_none_reaches_no_header() -> None:
    for to in ("ada@example.com\r\nBcc: eve@example.com", "a@b.example, eve@example.com"):
        with pytest.raises(ValueError, match="the part"):
            written(to=to)


def test_mail_of_a_kind_without_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no text for mail of the kind 'else'"):
        written(kind="else")


def test_a_moment_is_written_in_utc_and_never_later_than_it_is() -> None:
    moment = datetime.fromisoformat("2026-01-09T00:59:59+02:00")

    assert spell_moment(moment, english()) == "Jan 8, 2026, 22:59 UTC"


def test_an_address_in_another_script_is_named_as_the_dns_knows_it() -> None:
    assert read_back(written(to="info@müller.example"))["To"] == "info@xn--mller-kva.example"


def test_a_relay_is_read_from_its_url() -> None:
    submission = parse_relay(URL)
    over_tls = parse_relay("smtps://mail.example")

    assert (submission.host, submission.port, submission.tls) == ("mail.example", 587, False)
    assert (submission.username, submission.password) == ("ada", "s@crets")
    assert (over_tls.host, over_tls.port, over_tls.tls) == ("mail.example", 465, True)
    assert parse_relay("smtp://mail.example:2525").port == 2525


@pytest.mark.parametrize(
    ("url", "start_tls"),
    [
        (URL, True),
        ("smtp://a:b@127.0.0.1", True),
        ("smtp://mail.example", None),
        ("smtp://127.0.0.1:25", False),
        ("smtp://localhost", False),
        ("smtps://a:b@mail.example", False),
    ],
)
def test_a_password_never_travels_in_the_clear(url: str, *, start_tls: bool | None) -> None:
    relay = parse_relay(url)

    assert relay.start_tls is start_tls
    assert relay.tls or relay.start_tls or not relay.password


@pytest.mark.parametrize(
    "url",
    [
        "mail.example", "http://a:hidden@mail.example", "smtp://", "smtp://a:hidden@",
        "smtp://ada@mail.example", "smtp://a:hidden@mail.example:port",
        "smtp://a:hidden@mail.example/path", "smtp://a:hidden@mail.example?starttls=no",
        "smtp://a:hidden@[::1", "smtp://:hidden@mail.example", "smtp://a:hidden@h:0", "smtps://h:0",
    ],
)  # fmt: skip
def test_what_is_no_relay_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse_relay(url)

    assert "hidden" not in str(raised.value)


def test_neither_a_password_nor_an_address_is_shown() -> None:
    secrets = Secrets(signing_keys=["11" * 32], smtp_url=URL)
    mail = Mail(
        mail_id=1, address="ada@example.com", kind="called_for_returns", facts="{}", attempts=1,
        created_at=NOW, now=NOW,
    )  # fmt: skip

    shown = f"{secrets!r} {parse_relay(URL)!r} {mail!r}"

    assert "s@crets" not in shown
    assert "s%40crets" not in shown
    assert "ada" not in shown


def test_the_relay_is_a_secret_and_needs_a_sender() -> None:
    keys = {"WAITROOM_SIGNING_KEYS": "11" * 32}
    settings = Settings(mail_from="The shop <queue@shop.example>")

    found = load_secrets(settings, {**keys, "WAITROOM_SMTP_URL": f" {URL} "})

    assert found.smtp_url == URL
    with pytest.raises(SettingsError, match="needs the setting mail_from"):
        load_secrets(Settings(), {**keys, "WAITROOM_SMTP_URL": URL})
    with pytest.raises(SettingsError, match="smtp_url cannot be used") as raised:
        load_secrets(settings, {**keys, "WAITROOM_SMTP_URL": "smtp://a:hidden@x:y"})
    assert "hidden" not in str(raised.value)


def test_the_relay_stays_in_the_secrets_file_when_keys_rotate(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    generate_secrets(path)
    path.write_text(path.read_text() + f'smtp_url = "{URL}"\n')

    add_coming_key(path)

    settings = Settings(mail_from="queue@shop.example", data_dir=str(tmp_path))
    assert load_secrets(settings, {}).smtp_url == URL


@pytest.mark.parametrize(
    "text",
    [
        "shop",
        "shop@",
        "a@b.example\nBcc: x@y.example",
        "a@b, c@d.e",
        "Shop <s@x.de>, b@y.de",
        "Shop <s@x.de> b@y.de",
        "s@x.de, Shop <b@y.de>",
        "Shop <s@x.de>;",
    ],
)
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is one address"):
        parse_sender(text)
    with pytest.raises(msgspec.ValidationError, match="mail_from"):
        convert({"mail_from": text}, Settings)


def test_a_sender_may_have_a_name() -> None:
    assert str(parse_sender("The shop <queue@shop.example>")) == "The shop <queue@shop.example>"
    assert str(parse_sender("queue@shop.example")) == "queue@shop.example"


def test_a_message_that_the_relay_took_is_sent() -> None:
    sent = RelayAnswer(what="sent", sent=True)

    assert judge(sent, attempts=ATTEMPTS_MAX, chance=0).fate is Fate.SENT


def test_an_address_that_is_refused_for_good_is_not_tried_again() -> None:
    for_good = RelayAnswer(what="address refused: 550", code=550, refused=True)
    for_now = RelayAnswer(what="address refused: 451", code=451, refused=True)

    assert judge(for_good, attempts=1, chance=0).fate is Fate.GIVEN_UP
    assert judge(for_now, attempts=1, chance=0).fate is Fate.AGAIN


@pytest.mark.parametrize(
    "answer", [RelayAnswer(what="away"), RelayAnswer(what="sign-in", code=535)]
)
def test_a_relay_that_refuses_our_sign_in_is_asked_again_for_a_while(answer: RelayAnswer) -> None:
    outcomes = [judge(answer, attempts=n + 1, chance=0.5) for n in range(ATTEMPTS_MAX)]

    assert [o.fate for o in outcomes] == [Fate.AGAIN] * (ATTEMPTS_MAX - 1) + [Fate.GIVEN_UP]
    waits = [o.again_s for o in outcomes[:-1]]
    assert waits == [s * (1 + RETRY.jitter / 2) for s in SCHEDULE_S]
    assert waits == sorted(waits)


def test_an_order_is_told_with_its_items_its_total_and_its_link() -> None:
    facts = (
        '{"order_id": "7d1c", "room": "drop", "name": "Drop\\nBcc: x", '
        '"number": "K7QM3467", "items": [{"name": "Mug", "quantity": 2}], "total_minor": 2000, '
        '"currency": "EUR", "path": "/checkout/orders/7d1c?key=abc", "language": "de"}'
    )

    message = read_back(written(kind="bought", facts=facts))

    text = message.get_content()
    assert "K7QM3467" in message["Subject"]
    assert message["Bcc"] is None
    for said in (
        "2 \u00d7 Mug",
        "20,00\u00a0\u20ac",
        "https://shop.example/checkout/orders/7d1c?key=abc",
    ):
        assert said in text


def test_messages_of_a_turn_open_the_place_and_can_be_stopped() -> None:
    nearly, called = turn("nearly", None), turn("called", NOW + timedelta(minutes=2))

    assert nearly["Subject"] == "Almost your turn: Drop"
    assert called["Subject"] == "It is your turn: Drop"
    assert "Come before: Oct 3, 2026, 13:52 UTC" in called.get_content()
    stop = "https://shop.example/rooms/drop/mailed/stop?key=k-1"
    for message in (nearly, called):
        text = message.get_content()
        assert "Your number: 1,234" in text
        assert "https://shop.example/rooms/drop/mailed?key=k-1" in text.splitlines()
        assert message["List-Unsubscribe"] == f"<{stop}>"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert stop in nearly.get_content()
