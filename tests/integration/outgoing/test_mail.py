"""Mail from the row that a call writes to a real SMTP server, and what goes wrong on the way."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from postbox import PASSWORD, USER, Postbox, open_postbox
from shop import hold, open_gate, sessions_in
from support import eventually, execute, open_room, shift_clock, tick

from inventory.kit.lease import Lease
from waitroom.line.ticket import Ticket
from waitroom.outgoing.mail import sender as mail_sender
from waitroom.outgoing.mail.attempt import ATTEMPTS_MAX, RelayAnswer
from waitroom.outgoing.mail.mail_store import Mail, MailStore
from waitroom.outgoing.mail.relay import parse_relay, parse_sender
from waitroom.outgoing.mail.sender import MailSender
from waitroom.outgoing.outcome import Fate, Outcome
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
ADDRESS = "ada@example.com"
# Against a hang.
WAIT_S = 60.0


def sender_of(service: Service, url: str, context: ssl.SSLContext | None = None) -> MailSender:
    return MailSender(
        service.mails,
        relay=parse_relay(url),
        sender=parse_sender("The shop <queue@shop.example>"),
        base_url="https://shop.example",
        tls_context=context,
    )


async def stay(service: Service, number: int, email: str = "") -> Ticket:
    """Let a number that was called stay in line for returns; return its ticket."""
    sql = "SELECT line_id, number, ticket_id FROM admission WHERE number = $1"
    (row,) = await execute(service, sql, number)
    ticket = Ticket(**dict(row))
    assert await service.lines.stay_for_returns(ticket, email=email) == "waits"
    return ticket


async def write(
    service: Service, *, count: int = 1, address: str = ADDRESS, minutes: int = 15
) -> None:
    """Write messages as a call would."""
    await execute(
        service,
        "INSERT INTO mail (address, kind, facts) SELECT $1, 'called_for_returns', "
        "jsonb_build_object('room', 'drop', 'name', 'Drop', 'number', n, "
        "'claim_until', clock_timestamp() + make_interval(mins => $3)) "
        "FROM generate_series(1, $2) n",
        address, count, minutes,
    )  # fmt: skip


async def mails(service: Service) -> list[tuple[Any, ...]]:
    sql = "SELECT state, outcome, address, attempts FROM mail ORDER BY mail_id"
    return [tuple(row) for row in await execute(service, sql)]


async def make_due(service: Service) -> None:
    await execute(service, "UPDATE mail SET next_at = clock_timestamp()")


async def test_a_call_for_returns_is_written_and_sent_once(service: Service) -> None:
    await open_room(service, skus={"mug": 1}, session_s=60, hold_s=30)
    (first,) = await sessions_in(service, 1)
    await stay(service, 1, ADDRESS)
    await shift_clock(service, 61)
    await service.office.end_due(100)

    await tick(service)
    async with open_postbox() as box:
        sender = sender_of(service, box.url)
        sent = [await sender.send_due(), await sender.send_due()]

    assert first == 1
    assert sent == [1, 0]
    (message,) = box.taken
    assert (box.senders, box.recipients) == (["queue@shop.example"], [ADDRESS])
    assert message["To"] == ADDRESS
    lines = message.get_content().splitlines()
    assert "https://shop.example/rooms/drop" in lines
    assert "Your number: 1" in lines
    assert await mails(service) == [("sent", "sent", "", 1)]


async def test_what_is_refused_for_now_is_sent_later(service: Service) -> None:
    await write(service)
    async with open_postbox() as box:
        sender = sender_of(service, box.url)
        box.refuse.append("451 4.7.1 ada@example.com: greylisted")

        assert await sender.send_due() == 0
        assert await mails(service) == [("waiting", "address refused: 451", ADDRESS, 1)]
        assert await sender.send_due() == 0
        await make_due(service)
        assert await sender.send_due() == 1

    assert await mails(service) == [("sent", "sent", "", 2)]


async def test_an_address_that_is_refused_for_good_is_forgotten_at_once(
    service: Service,
) -> None:
    await write(service)
    async with open_postbox() as box:
        box.refuse.append("550 5.1.1 ada@example.com: no such person")

        with structlog.testing.capture_logs() as said:
            await sender_of(service, box.url).send_due()

    assert await mails(service) == [("failed", "address refused: 550", "", 1)]
    assert [entry["event"] for entry in said] == ["mail_not_sent"]
    assert "ada" not in str(said)


@pytest.mark.parametrize(
    ("typed", "sent_to"),
    [
        ("info@müller.example", "info@xn--mller-kva.example"),
        ("jörg@example.org", "jörg@example.org"),
    ],
)
async def test_an_address_in_another_script_is_mailed(
    service: Service, typed: str, sent_to: str
) -> None:
    await write(service, address=typed)
    async with open_postbox() as box:
        assert await sender_of(service, box.url).send_due() == 1

    assert box.recipients == [sent_to]
    assert box.taken[0]["To"] == sent_to


async def test_an_address_that_the_relay_cannot_take_is_given_up(service: Service) -> None:
    await write(service, address="jörg@example.org")
    async with open_postbox(utf8=False) as box:
        await sender_of(service, box.url).send_due()

    assert box.taken == []
    assert await mails(service) == [("failed", "the relay lacks SMTPUTF8", "", 1)]


async def test_what_breaks_while_a_message_is_sent_or_judged_is_noted(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await write(service, count=2)
    await execute(service, "UPDATE mail SET facts = facts - 'number' WHERE mail_id = 1")
    async with open_postbox() as box:
        sender = sender_of(service, box.url)
        judging, broken = sender.judge, []

        def judge_badly(item: Mail, reply: RelayAnswer, *, chance: float) -> Outcome:
            if reply.sent:
                broken.append(item.mail_id)
                raise OverflowError(f"no judgement on {item.address}")
            return judging(item, reply, chance=chance)

        monkeypatch.setattr(sender, "judge", judge_badly)
        assert await sender.send_due() == 0

    assert broken == [2]
    assert await mails(service) == [
        ("waiting", "broke: ValidationError", ADDRESS, 1),
        ("waiting", "sent", ADDRESS, 1),
    ]
    assert "ada" not in capsys.readouterr().out


async def test_an_attempt_is_cut_off_before_its_lease_is_over(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(service)
    async with open_postbox() as box:
        box.hurry.clear()
        sender = sender_of(service, box.url)
        monkeypatch.setattr(sender, "lease", Lease(attempt_s=0.5, margin_s=60))

        # A goodbye to the silent relay would take for ever.
        monkeypatch.setattr(mail_sender, "DIALOGUE_S", 3600.0)
        async with asyncio.timeout(WAIT_S):
            assert await sender.send_due() == 0
        box.hurry.set()

    assert await mails(service) == [("waiting", "broke: TimeoutError", ADDRESS, 1)]


async def test_a_relay_that_is_away_is_tried_a_bounded_number_of_times(service: Service) -> None:
    await write(service)
    sender = sender_of(service, "smtp://127.0.0.1:1")

    for _ in range(ATTEMPTS_MAX + 2):
        await sender.send_due()
        await make_due_if_waiting(service)

    assert await mails(service) == [("failed", "SMTPConnectError", "", ATTEMPTS_MAX)]


async def make_due_if_waiting(service: Service) -> None:
    await execute(service, "UPDATE mail SET next_at = clock_timestamp() WHERE state = 'waiting'")


async def test_two_senders_send_every_message_once(services: OpenService) -> None:
    one, other = await services(), await services()
    await write(one, count=30)
    async with open_postbox() as box:
        senders = sender_of(one, box.url), sender_of(other, box.url)

        async def drain(sender: MailSender) -> None:
            while await sender.send_due():
                pass

        await asyncio.gather(*map(drain, senders))

    numbers = [m.get_content().split("Your number: ")[1].split()[0] for m in box.taken]
    assert sorted(numbers, key=int) == [str(n) for n in range(1, 31)]
    assert len({m["Message-ID"] for m in box.taken}) == 30


async def test_what_a_dead_sender_had_taken_is_sent_by_another(service: Service) -> None:
    await write(service)
    (taken,) = await service.mails.lease_due(8, lease_s=60)
    async with open_postbox() as box:
        sender = sender_of(service, box.url)

        assert await sender.send_due() == 0
        await make_due(service)
        assert await sender.send_due() == 1

    assert taken.attempts == 1
    assert await mails(service) == [("sent", "sent", "", 2)]


async def test_whoever_lost_the_lease_cannot_fail_what_another_sends(service: Service) -> None:
    await write(service)
    (late,) = await service.mails.lease_due(8, lease_s=0)
    (holder,) = await service.mails.lease_due(8, lease_s=60)
    failed = Outcome(fate=Fate.GIVEN_UP)

    await service.mails.note(late, "address refused: 550", failed)
    before = await mails(service)
    await service.mails.note(holder, "address refused: 550", failed)

    assert before == [("waiting", "", ADDRESS, 2)]
    assert await mails(service) == [("failed", "address refused: 550", "", 2)]


async def test_a_message_whose_call_is_over_is_never_sent(service: Service) -> None:
    await write(service, minutes=-1)
    async with open_postbox() as box:
        assert await sender_of(service, box.url).send_due() == 0

    assert await service.mails.tidy(100) == 1
    assert box.taken == []
    assert await mails(service) == [("failed", "too late", "", 0)]


async def test_a_message_that_kills_its_senders_is_given_up(service: Service) -> None:
    await write(service)
    for _ in range(ATTEMPTS_MAX):
        assert await service.mails.lease_due(8, lease_s=0)

    assert await service.mails.lease_due(8, lease_s=0) == []
    assert await service.mails.tidy(100) == 1
    assert await mails(service) == [("failed", "given up", "", ATTEMPTS_MAX)]


async def test_no_transaction_is_open_while_a_message_is_sent(service: Service) -> None:
    await write(service)
    async with open_postbox() as box:
        box.hurry.clear()
        sending = asyncio.create_task(sender_of(service, box.url).send_due())
        await eventually(lambda: _is(box.under_way == 1))

        open_ones = await execute(
            service,
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND xact_start IS NOT NULL AND pid <> pg_backend_pid()",
        )
        box.hurry.set()

        assert open_ones == []
        assert await sending == 1


async def _is(held: bool) -> bool:  # noqa: FBT001 - the answer of a check
    return held


async def test_a_sender_that_is_stopped_lets_others_go_on_later(service: Service) -> None:
    await write(service)
    stopping = asyncio.Event()
    async with open_postbox() as box:
        box.hurry.clear()
        running = asyncio.create_task(sender_of(service, box.url).run(stopping))
        await eventually(lambda: _is(box.under_way == 1))

        stopping.set()
        box.hurry.set()
        await asyncio.wait_for(running, 10)

    assert await mails(service) == [("sent", "sent", "", 1)]


async def test_the_books_never_keep_an_address_that_is_of_no_use(service: Service) -> None:
    await write(service)

    for sql in (
        "UPDATE mail SET state = 'sent', ended_at = clock_timestamp()",
        "UPDATE mail SET state = 'failed', address = ''",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(service, sql)
    await execute(
        service,
        "UPDATE mail SET state = 'sent', address = '', ended_at = clock_timestamp() - $1::interval",
        dt.timedelta(days=8),
    )

    assert await service.mails.tidy(100) == 1
    assert await mails(service) == []


async def test_a_room_that_ended_forgets_who_stayed_for_returns(service: Service) -> None:
    await open_gate(service, skus={"mug": 1})
    first, _ = await sessions_in(service, 2)
    await hold(service, first, mug=1)
    await stay(service, 2, ADDRESS)

    assert await service.mails.tidy(100) == 0
    await service.rooms.set_status("drop", "ended", who="test")
    assert await service.mails.tidy(100) == 1

    assert await execute(service, "SELECT FROM returns_wait") == []


async def test_whoever_leaves_the_line_for_returns_is_not_called_again(service: Service) -> None:
    await open_room(service, skus={"mug": 1}, session_s=60, hold_s=30)
    await sessions_in(service, 1)
    ticket = await stay(service, 1, ADDRESS)
    await shift_clock(service, 61)
    await service.office.end_due(100)

    await service.lines.leave_returns(ticket)
    await tick(service)

    (row,) = await execute(service, "SELECT state, came_back_at FROM admission WHERE number = 1")
    assert tuple(row) == ("ended", None)
    assert await execute(service, "SELECT FROM mail") == []


async def test_whoever_missed_a_call_keeps_it_without_staying_for_returns(service: Service) -> None:
    await open_gate(service, skus={"mug": 2})
    (first, second) = await sessions_in(service, 2)
    await hold(service, first, mug=2)
    await execute(
        service,
        "UPDATE admission SET state = 'missed', came_back_at = shopper_now(), expires_at = NULL "
        "WHERE admission_id = $1",
        second,
    )
    ticket = await stay(service, 2)

    await service.lines.leave_returns(ticket)

    (row,) = await execute(
        service, "SELECT state, came_back_at IS NULL AS gone FROM admission WHERE number = 2"
    )
    assert tuple(row) == ("missed", False)


# A relay with a password.


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS with a certificate of its own, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "mail.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=pem)


def with_password(box: Postbox, *, tls: bool, password: str = PASSWORD) -> str:
    scheme = "smtps" if tls else "smtp"
    return f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{box.port}"


@pytest.mark.parametrize("from_the_start", [True, False])
async def test_a_password_is_given_over_tls(
    service: Service, contexts: tuple[ssl.SSLContext, ssl.SSLContext], *, from_the_start: bool
) -> None:
    await write(service)
    server, client = contexts
    async with open_postbox(
        tls=server if from_the_start else None, start_tls=None if from_the_start else server
    ) as box:
        url = with_password(box, tls=from_the_start)

        assert await sender_of(service, url, client).send_due() == 1

    assert box.sign_ins == 1
    assert len(box.taken) == 1


async def test_no_password_is_given_to_a_relay_without_tls(service: Service) -> None:
    await write(service)
    async with open_postbox() as box:
        await sender_of(service, with_password(box, tls=False)).send_due()

    assert (box.sign_ins, box.taken) == (0, [])
    ((state, _, address, _),) = await mails(service)
    assert (state, address) == ("waiting", ADDRESS)


async def test_no_password_is_given_to_a_relay_that_nobody_vouches_for(
    service: Service, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    await write(service)
    server, _ = contexts
    async with open_postbox(start_tls=server) as box:
        await sender_of(service, with_password(box, tls=False)).send_due()

    assert (box.sign_ins, box.taken) == (0, [])
    assert (await mails(service))[0][0] == "waiting"


async def test_a_wrong_password_is_the_operators_to_mend_and_no_fault_of_the_address(
    service: Service,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    capsys: pytest.CaptureFixture[str],
) -> None:
    await write(service)
    server, client = contexts
    async with open_postbox(start_tls=server) as box:
        url = with_password(box, tls=False, password="wr0ng")

        await sender_of(service, url, client).send_due()

    assert await mails(service) == [("waiting", "AuthenticationError: 535", ADDRESS, 1)]
    assert "wr0ng" not in capsys.readouterr().out


async def test_without_a_relay_nothing_is_sent(service: Service) -> None:
    assert service.mail_sender is None
    assert isinstance(service.mails, MailStore)
