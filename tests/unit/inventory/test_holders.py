"""Marks and holders: what a token is bound to, and what shows that a request comes from there."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from checkout.session import Session, SessionSeal
from inventory.kit.holders.holders import Holders
from inventory.kit.holders.marks import anyone, bound, mark_of_app, mark_of_browser, unbound
from inventory.kit.problem import ClientKeyWeak
from inventory.refusals import SessionBound
from waitroom.line.ticket import Ticket, TicketSeal, parse_ticket
from waitroom.refusals import NoTicket, TicketBound

KEYS = [b"k" * 32]
TICKET = Ticket(line_id=7, number=3, ticket_id=bytes(16), sku="size-42")
SESSION = Session(session_id=5, room="drop", sku="mug")
BROWSER, OTHER, APP = "ab" * 16, "cd" * 16, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
HOLDERS = Holders(secure=False)


def asked(cookie: str = "", key: str = "", **headers: str) -> Any:
    """Return a request with these cookies and this key of an app."""
    sent = {"Cookie": cookie, "Waitroom-Client-Key": key, **headers}
    return make_mocked_request("POST", "/", headers={k: v for k, v in sent.items() if v})


@given(secret=st.text(max_size=40), text=st.text("abc.019-_", max_size=40))
def test_a_mark_is_of_one_secret_and_comes_off_the_text_again(secret: str, text: str) -> None:
    marks = {mark_of_browser(secret), mark_of_app(secret), mark_of_browser(f"{secret}x")}

    assert len(marks) == 3
    for mark in marks:
        assert unbound(bound(text, mark)) == (text, mark)
    assert (bound(text, ""), unbound(text)) == (text, (text, ""))


@pytest.mark.parametrize(
    ("mark", "cookie", "key", "good"),
    [
        ("", "", "", True),
        (mark_of_browser(BROWSER), f"waitroom_browser={BROWSER}", "", True),
        (mark_of_browser(BROWSER), f"waitroom_visitor={BROWSER}", "", True),
        # The browser sends what the domain above has set as well.
        (mark_of_browser(BROWSER), f"waitroom_browser=x; waitroom_browser={BROWSER}", "", True),
        (
            mark_of_browser(BROWSER),
            f"waitroom_visitor={BROWSER}; waitroom_browser={OTHER}",
            "",
            True,
        ),
        (mark_of_browser(BROWSER), "", "", False),
        (mark_of_browser(BROWSER), f"waitroom_browser={OTHER}", APP, False),
        (mark_of_browser(BROWSER), f"waitroom_browser={BROWSER.upper()}", "", False),
        # A mark is no secret: it stands in the token for everyone to read.
        (mark_of_browser(BROWSER), f"waitroom_browser={mark_of_browser(BROWSER)}", "", False),
        (mark_of_app(APP), "", APP, True),
        (mark_of_app(APP), "", APP.upper(), True),
        (mark_of_app(APP), f"waitroom_browser={APP}", "", False),
        (mark_of_browser(APP), "", APP, False),
        (mark_of_app(APP), f"waitroom_browser={BROWSER}", OTHER, False),
    ],
)
def test_a_bound_token_opens_for_its_holder_alone(
    mark: str, cookie: str, key: str, *, good: bool
) -> None:
    tickets, sessions = TicketSeal(KEYS), SessionSeal(KEYS)
    shows = HOLDERS.shows(asked(cookie, key))
    ticket, session = tickets.sign(TICKET, mark), sessions.sign(SESSION, mark)

    if good:
        assert tickets.open(ticket, shows) == TICKET
        assert sessions.open(session, shows) == SESSION
    else:
        with pytest.raises(TicketBound):
            tickets.open(ticket, shows)
        with pytest.raises(SessionBound):
            sessions.open(session, shows)
    assert tickets.open(ticket, anyone) == TICKET
    assert parse_ticket(ticket.partition("~")[0]) == (None if mark else TICKET)


def test_a_mark_stands_under_the_signature() -> None:
    seal = TicketSeal(KEYS)
    text, _, signature = seal.sign(TICKET, mark_of_browser(BROWSER)).partition("~")
    plain, _, mark = text.partition("!")

    for changed in (
        plain,
        f"{plain}!",
        f"{plain}!{mark_of_browser(OTHER)}",
        f"{plain}!{mark}!{mark}",
    ):
        with pytest.raises(NoTicket):
            seal.open(f"{changed}~{signature}", anyone)


def test_each_gets_a_right_that_is_bound_to_the_one_who_asked() -> None:
    cookie, page = f"waitroom_visitor={BROWSER}", {"Sec-Fetch-Site": "same-origin"}

    def given_to(*sent: str, to_browser: bool = False, **headers: str) -> Any:
        return HOLDERS.given(asked(*sent, **headers), lambda mark: mark, to_browser=to_browser)

    program, app = given_to(), given_to("", APP)
    browser, script = given_to(cookie), given_to(cookie, APP, **page)
    lost, led = given_to("", "", **page), given_to(to_browser=True)

    assert (program.told, program.kept, program.browser) == ("", "", "")
    assert (app.told, app.kept, app.browser) == (mark_of_app(APP), mark_of_app(APP), "")
    assert (browser.told, browser.kept) == (mark_of_browser(BROWSER),) * 2
    assert (script.told, script.kept) == (mark_of_app(APP), mark_of_browser(BROWSER))
    assert browser.browser == script.browser == BROWSER
    # A browser without an id gets one, and programs that only follow an address keep it too.
    for one in (lost, led):
        assert one.told == ""
        assert one.kept == mark_of_browser(one.browser)
    assert lost.browser != led.browser


@pytest.mark.parametrize("weak", ["x", "0" * 32, APP[:-1], f"{APP}g", APP * 5, "ab" * 16])
def test_a_key_that_others_could_send_is_no_key_of_an_app(weak: str) -> None:
    with pytest.raises(ClientKeyWeak):
        HOLDERS.app_key(asked("", weak))


def test_a_key_of_bytes_that_are_no_text_shows_nothing_and_hinders_nothing() -> None:
    headers = {"Waitroom-Client-Key": "\udcff", "Cookie": f"waitroom_browser={BROWSER}"}
    request: Any = SimpleNamespace(headers=CIMultiDict(headers))
    shows = HOLDERS.shows(request)

    assert shows(mark_of_browser(BROWSER))
    assert not shows(mark_of_app(APP))
    with pytest.raises(ClientKeyWeak):
        HOLDERS.app_key(request)
