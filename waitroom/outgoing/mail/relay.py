"""The relay that takes our mail, and what an address of mail looks like. Pure."""

import ipaddress
import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

# RFC 5321, section 4.5.3.1: a path has at most 256 octets with its brackets, a local part 64.
ADDRESS_LENGTH_MAX = 254
LOCAL_LENGTH_MAX = 64
# What browsers take for an address in <input type="email"> (HTML standard, "valid e-mail address"),
# with at least two labels, since RFC 5321, section 2.3.5, wants a name that is fully qualified.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+")

# Submission (RFC 6409), and submission over TLS (RFC 8314).
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where mail is handed over, and as whom."""

    host: str
    port: int
    tls: bool
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def start_tls(self) -> bool | None:
        """Say whether to turn TLS on once connected: None means if the relay offers it.

        A password goes over TLS or not at all. A relay on this machine that wants none is taken
        as it is, since its certificate is seldom one that can be checked.
        """
        if self.tls:
            return False
        if self.username:
            return True
        return False if _is_loopback(self.host) else None


def parse_relay(url: str) -> Relay:
    """Read `smtp://user:password@host:587` or `smtps://…`; raises `ValueError` without the URL.

    User and password are percent-encoded where they hold signs of a URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Its own message would repeat what stands in the URL.
        raise ValueError("it is no URL") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("it begins with smtp:// or smtps:// and names a host")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("nothing follows the host and the port")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("it has both a user and a password, or neither")
    return Relay(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_address(text: str) -> bool:
    """Say whether mail could be sent to this: an address alone, in ASCII, without quoting."""
    return (
        len(text) <= ADDRESS_LENGTH_MAX
        and _ADDRESS.fullmatch(text) is not None
        and len(text.partition("@")[0]) <= LOCAL_LENGTH_MAX
    )


def parse_sender(text: str) -> Address:
    """Read `queue@example.com` or `The shop <queue@example.com>`; raises `ValueError`."""
    name, address = parseaddr(text)
    if not text.isprintable() or not is_address(address):
        raise ValueError("it is an address, or a name and an address in angle brackets")
    return Address(display_name=name, addr_spec=address)
