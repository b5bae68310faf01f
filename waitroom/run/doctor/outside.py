"""Checks of what lies outside: the relay, the gateway, receivers of webhooks, the public address.

No mail is sent and nobody is charged: a check connects, and hangs up.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import aiohttp

from inventory.kit.doors.origins import is_this_machine
from waitroom.outgoing.mail.relay import Relay
from waitroom.run.doctor.database_store import Endpoint
from waitroom.run.doctor.finding import Finding, fail, graded, ok, warn
from waitroom.run.processes import PortInUse, claim_port
from waitroom.run.settings import Settings

CONNECT_MAX_S = 3.0
CERTIFICATE_WARNS_DAYS = 14
STRIPE = "api.stripe.com"
HEALTHY = '{"status":"ok"}'
DAY_S = 86_400
# What a proxy answers when nothing behind it does.
NOBODY_BEHIND = (502, 503, 504)


async def check_relay(relay: Relay) -> Finding:
    """Ask the relay for its greeting."""
    check, where = "outside.mail", f"the relay {relay.host}:{relay.port}"
    advice = "correct smtp_url, or let this machine reach the relay"
    try:
        async with asyncio.timeout(CONNECT_MAX_S):
            context = ssl.create_default_context() if relay.tls else None
            reader, writer = await asyncio.open_connection(relay.host, relay.port, ssl=context)
            try:
                greeting = (await reader.readline()).decode("ascii", "replace")
            finally:
                writer.close()
    except ssl.SSLCertVerificationError as error:
        return fail(check, f"{where} has a certificate that is refused: {_of(error)}", advice)
    except (OSError, ValueError) as error:
        return fail(check, f"{where} cannot be reached ({_of(error)})", advice)
    if greeting.startswith("220"):
        return ok(check, f"{where} takes mail")
    return fail(check, f"{where} does not speak SMTP", advice)


async def check_stripe() -> Finding:
    """Connect to the gateway's host."""
    check = "outside.gateway_reached"
    try:
        async with asyncio.timeout(CONNECT_MAX_S):
            _, writer = await asyncio.open_connection(STRIPE, 443, ssl=True)
    except OSError as error:
        return fail(
            check, f"{STRIPE} cannot be reached ({_of(error)})", "let this machine reach it by 443"
        )
    writer.close()
    return ok(check, f"{STRIPE} can be reached")


def check_webhooks(endpoints: Sequence[Endpoint], settings: Settings) -> Iterator[Finding]:
    """Say which receivers take nothing, are late or are told over http."""
    check = "outside.webhooks"
    for one in endpoints:
        host = urlsplit(one.url).hostname or ""
        if not one.active:
            yield warn(
                check,
                f"the webhook to {host} is paused or was given up",
                "resume or delete it on the screen Webhooks",
            )
        elif one.late:
            yield warn(
                check,
                f"{one.late} deliveries to {host} were tried three times and did not arrive",
                "look at the receiver's log; the screen Webhooks has its last answers",
            )
        elif is_this_machine(host) and not settings.webhooks_allow_private:
            yield warn(
                check,
                f"the webhook to {host} leads to this machine, which is not allowed",
                "set webhooks_allow_private, if you trust everyone who may add webhooks",
            )
        else:
            yield ok(check, f"the webhook to {host} takes what is sent")


async def check_public_address(url: str) -> Finding:
    """Ask the public address for this service's health, as a shopper's browser would come."""
    check = "web.public_url"
    timeout = aiohttp.ClientTimeout(total=CONNECT_MAX_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{url}/healthz", allow_redirects=False) as answer,
        ):
            text = await answer.text()
            left_days = _certificate_days(answer)
            status = answer.status
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return warn(
            check,
            f"{url} cannot be reached from here ({_of(error)})",
            "look at DNS, proxy and certificate, unless this machine alone may not",
        )
    if left_days is not None and left_days < CERTIFICATE_WARNS_DAYS:
        return graded(
            check,
            f"the certificate of {url} ends in {left_days:.0f} days",
            "renew it before the sale",
            fails=left_days < 2,
            warns=True,
        )
    if status in NOBODY_BEHIND:
        return warn(check, f"{url} answers {status}: nobody is behind the proxy", "start waitroom")
    if status != 200 or text != HEALTHY:
        return fail(
            check,
            f"{url} answers {status}, and not as waitroom does",
            "let the proxy pass its paths on to waitroom",
        )
    return ok(check, f"{url} leads to waitroom")


def _certificate_days(answer: aiohttp.ClientResponse) -> float | None:
    """Return for how many days the certificate is good, None without TLS."""
    transport = answer.connection.transport if answer.connection is not None else None
    found = transport.get_extra_info("peercert") if transport is not None else None
    if not found:
        return None
    return (ssl.cert_time_to_seconds(found["notAfter"]) - time.time()) / DAY_S


async def check_own_port(settings: Settings) -> Finding:
    """Say who has the port: nobody, this service, or another program."""
    check, own = "web.port", f"port {settings.port} on {settings.host}"
    if await _get(f"{settings.own_url}/healthz") == (200, HEALTHY):
        status, _ = await _get(f"{settings.own_url}/readyz")
        return graded(
            check,
            f"waitroom serves at {own}"
            + ("" if status == 200 else f", and is not ready ({status or 'no answer'})"),
            "look into its log, and at the other findings here",
            fails=status != 200,
        )
    try:
        claim_port(settings.host, settings.port)
        if settings.admin_port:
            claim_port(settings.host, settings.admin_port)
    except PortInUse as error:
        says, _, advice = str(error).partition("; ")
        return fail(check, says, advice)
    return ok(check, f"{own} is free")


async def _get(url: str) -> tuple[int, str]:
    """Return the status and the text of an answer, 0 where there is none."""
    timeout = aiohttp.ClientTimeout(total=CONNECT_MAX_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text()
    except (aiohttp.ClientError, OSError, ValueError):
        return 0, ""


def _of(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_MAX_S:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
