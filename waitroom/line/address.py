"""E-mail addresses: which text is one, and how mail names it. Pure.

One grammar serves the form that takes an address and the message that is sent to it, so an accepted
address can always be put into a message:

* the local part is a dot-atom (RFC 5322, section 3.2.3), with letters of any script (RFC 6532);
* the domain has at least two labels, since RFC 5321, section 2.3.5, wants a fully qualified name. A
  domain in another script than ASCII is named as the DNS knows it (IDNA 2008 with the mapping of
  UTS 46).

Quoted local parts, comments and address literals are refused. They are allowed by RFC 5322, but
shoppers do not have such addresses, and forms that allow them mostly let mistakes through. A relay
without SMTPUTF8 (RFC 6531) refuses local parts outside of ASCII when it is given them.
"""

import re
import unicodedata
from dataclasses import dataclass

import idna

from inventory.kit.doors.texts import is_ignorable

# RFC 5321, section 4.5.3.1: a path has at most 256 octets with its brackets, a local part 64.
ADDRESS_LENGTH_MAX = 254
LOCAL_LENGTH_MAX = 64
DOMAIN_LENGTH_MAX = 253

_ATEXT = "A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A last label of digits alone would be an IPv4 address (RFC 3696, section 2).
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
_ASCII_ATOM = re.compile(rf"[{_ATEXT}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAddress:
    """An address as mail names it: the domain is in ASCII."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str) -> MailAddress:
    """Read one address and nothing else; raises `ValueError` without the text."""
    local, _, domain = unicodedata.normalize("NFC", text).rpartition("@")
    found = MailAddress(local=local, domain=_ascii_domain(domain))
    if not all(_is_atom(atom) for atom in local.split(".")):
        raise ValueError("the part before the @ is not one of an address")
    if len(local.encode()) > LOCAL_LENGTH_MAX or len(str(found).encode()) > ADDRESS_LENGTH_MAX:
        raise ValueError("an address is not this long")
    return found


def is_address(text: str) -> bool:
    """Say whether mail can be sent to this text."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _is_atom(atom: str) -> bool:
    """Say whether this may stand between the dots of a local part."""
    # A mark needs a letter to stand on.
    return (
        bool(atom)
        and not unicodedata.category(atom[0]).startswith("M")
        and all(_is_sign(sign) for sign in atom)
    )


def _is_sign(sign: str) -> bool:
    if sign.isascii():
        return _ASCII_ATOM.fullmatch(sign) is not None
    # Letters, marks and numbers: nothing that is invisible or looks like a space.
    return unicodedata.category(sign)[0] in "LMN" and not is_ignorable(sign)


def _ascii_domain(domain: str) -> str:
    """Return a domain in ASCII; raises `ValueError` for one that is none."""
    try:
        # A domain in ASCII stays as it is: IDNA refuses some that are in use, such as `a--b.net`.
        found = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise ValueError("the part after the @ is not a domain") from error
    if len(found) > DOMAIN_LENGTH_MAX or _DOMAIN.fullmatch(found) is None:
        raise ValueError("the part after the @ is not a domain")
    return found
