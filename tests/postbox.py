"""A real SMTP server in the test's own loop, which keeps what it takes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
USER, PASSWORD = "shop", "a s@cret"


@dataclass(slots=True)
class Postbox:
    """`refuse` holds the server's next answers to addresses, `hurry` is set to let messages in."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    sign_ins: int = 0
    under_way: int = 0
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    async def handle_RCPT(  # noqa: N802 - the name that the server calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.refuse:
            return self.refuse.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as above
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.under_way += 1
        await self.hurry.wait()
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.senders.append(str(envelope.mail_from))
        self.recipients.extend(envelope.rcpt_tos)
        return "250 OK"

    def check(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.sign_ins += 1
        good = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        # Not handled, so that the server writes the answer.
        return AuthResult(success=good, handled=False)


@asynccontextmanager
async def open_postbox(
    *,
    tls: ssl.SSLContext | None = None,
    start_tls: ssl.SSLContext | None = None,
    utf8: bool = True,
) -> AsyncIterator[Postbox]:
    """Serve until left; with `tls` from the first byte, with `start_tls` when asked for it.

    `utf8` offers SMTPUTF8.
    """
    box, loop = Postbox(), asyncio.get_running_loop()
    box.hurry.set()

    def serve() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            enable_SMTPUTF8=utf8,
            loop=loop,
            tls_context=start_tls,
            require_starttls=start_tls is not None,
            authenticator=box.check,
            auth_require_tls=tls is None,
        )

    server = await loop.create_server(serve, HOST, 0, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
