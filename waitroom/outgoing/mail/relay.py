"""The relay that takes our mail, and the sender that stands on it. Pure."""

from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import getaddresses, parseaddr
from urllib.parse import unquote, urlsplit

from inventory.kit.doors.origins import is_this_machine
from waitroom.line.address import parse_address

# Submission (RFC 6409), and submission over TLS (RFC 8314).
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The host that takes our mail. A relay without a sign-in has no username and password."""

    host: str
    port: int
    tls: bool
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def start_tls(self) -> bool | None:
        """Say whether to turn TLS on once connected: None means if the relay offers it.

        A password goes over TLS or not at all. A relay on this machine without a password is
        taken as it is, since its certificate can seldom be checked.
        """
        if self.tls:
            return False
        if self.username:
            return True
        return False if is_this_machine(self.host) else None


def parse_relay(url: str) -> Relay:
    """Read `smtp://user:password@host:587` or `smtps://…`; raises `ValueError` without the URL.

    User and password are percent-encoded where they hold characters of a URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The error's own message would repeat the password.
        raise ValueError("it is not a URL") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("it has to begin with smtp:// or smtps:// and name a host")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("nothing may follow the host and the port")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("it needs both a user and a password, or neither")
    if port == 0:
        raise ValueError("a port is from 1 to 65535")
    return Relay(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def parse_sender(text: str) -> Address:
    """Read `queue@example.com` or `The shop <queue@example.com>`; raises `ValueError`.

    The address is in ASCII: every relay has to take it, and bounces come back to it.
    """
    name, spec = parseaddr(text)
    # The parser takes the first address and drops all that follows it.
    whole = text.strip() == spec or text.strip().endswith(f"<{spec}>")
    alone = len(getaddresses([text])) == 1
    if not (whole and alone and text.isprintable() and spec.isascii()):
        raise ValueError(_SENDER_FORM)
    try:
        address = parse_address(spec)
    except ValueError as error:
        raise ValueError(_SENDER_FORM) from error
    return Address(display_name=name, username=address.local, domain=address.domain)


_SENDER_FORM = "it is one address, or a name and an address in angle brackets"
