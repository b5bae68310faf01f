"""E-mail addresses: one grammar for the form and for the message."""

from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.address import ADDRESS_LENGTH_MAX, MailAddress, is_address, parse_address


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com", "a.b+c_d@sub.example.co", "o'neil@example.com",
        f"{'x' * 64}@example.com", "ada@a--b.example", "ada@xn--mller-kva.example",
        "ada@EXAMPLE.com", "1@2.example3",
    ],
)  # fmt: skip
def test_an_address_in_ascii_is_taken_as_it_is(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    ("text", "sent_to"),
    [
        ("info@müller.example", "info@xn--mller-kva.example"),
        ("info@MÜLLER.example", "info@xn--mller-kva.example"),
        # IDNA 2008 keeps the sharp s, which IDNA 2003 made two.
        ("info@straße.example", "info@xn--strae-oqa.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("jörg@example.org", "jörg@example.org"),
        ("jo\u0308rg@example.org", "jörg@example.org"),
        ("δοκιμή@παράδειγμα.example", "δοκιμή@xn--hxajbheg2az3al.example"),
    ],
)
def test_an_address_in_another_script_is_taken(text: str, sent_to: str) -> None:
    assert str(parse_address(text)) == sent_to


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "ada @example.com",
        "ada@example.com ", "Ada <ada@example.com>", "ada@-example.com", "ada@example-.com",
        "ada@example..com", "ada@[127.0.0.1]", '"a b"@example.com', "ada@example.com\n",
        "ada@exa\u0000mple.com", "ada@example.com,eve@example.com",
        f"{'x' * 65}@example.com", f"a@{'x.' * 126}example",
        # Dots that no dot-atom has: a message to such an address cannot be built.
        ".anna@example.org", "anna..b@example.org", "anna.@example.org",
        "ada@127.0.0.1", "ada@example.com.", "ada@.example.com", "ada@exam_ple.com",
        "ada@(a comment)example.com", "ada(x)@example.com", "ada\u200b@example.org",
        "ada\u00a0b@example.org", "ada\ufe0f@example.org", "\u17b4@example.org",
        "\u0301@example.org", "a.\u0301b@example.org", "a\u3164@example.org",
        "ada\ud800@example.org", "ada@exa\u200bmple.org\u3002",
        f"{'ö' * 33}@example.org", f"a@{'ü' * 60}.example",
    ],
)  # fmt: skip
def test_what_cannot_be_mailed_is_not_taken(text: str) -> None:
    assert not is_address(text)


def test_the_reason_does_not_repeat_the_address() -> None:
    for text in ("anna..b@example.org", "anna@-.example", f"{'anna' * 20}@example.org"):
        with pytest.raises(ValueError, match=r".") as raised:
            parse_address(text)
        assert "anna" not in str(raised.value)


def back_from_a_message(address: MailAddress) -> tuple[str, str]:
    """Put an address into a message, send that through bytes, and return the address in it."""
    message = EmailMessage(policy=SMTP)
    message["To"] = Address(username=address.local, domain=address.domain)
    policy = SMTP if address.local.isascii() else SMTPUTF8
    read = message_from_bytes(message.as_bytes(policy=policy), policy=default)
    (found,) = read["To"].addresses
    assert not read["To"].defects or not address.local.isascii()
    # The reader keeps some bytes beyond ASCII as escapes; as UTF-8 they are the text that was sent.
    local = found.username.encode("utf-8", "surrogateescape").decode("utf-8")
    return local, found.domain


labels = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
locals_ = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
nearly = st.tuples(locals_, st.lists(labels, min_size=1, max_size=3)).map(
    lambda parts: f"{parts[0]}@{'.'.join(parts[1])}.example"
)


@given(st.one_of(st.emails(), nearly, st.text(max_size=60)))
def test_whatever_is_taken_comes_through_a_message_unchanged(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return

    assert back_from_a_message(address) == (address.local, address.domain)
    assert len(str(address).encode()) <= ADDRESS_LENGTH_MAX


@given(text=st.one_of(nearly, st.text(max_size=60)))
def test_no_address_has_a_space_a_comma_or_a_control_character(text: str) -> None:
    if is_address(text):
        sent_to = str(parse_address(text))
        assert sent_to.isprintable()
        assert not set(sent_to) & set(' ,;:<>()[]"\\')
        assert sent_to.count("@") == 1
        assert sent_to.rpartition("@")[2].isascii()
