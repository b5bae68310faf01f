"""A gate decides by passes, and does as it was told while the room is away."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from waitroom_gate import Answer, Gate, Request
from waitroom_gate.for_aiohttp import _request_of as request_of
from waitroom_gate.for_aiohttp import protect
from waitroom_gate.wsgi import WsgiGate

from waitroom.gate.passes import Pass, PassKeys

ISSUER, NOW = "https://queue.example", 1_800_000_000
PAGE = {"accept": "text/html"}
SERVICE = PassKeys([bytes(32)])


def minted(
    *, keys: PassKeys = SERVICE, session: int = 1, iat: int = NOW, holds_s: int = 300
) -> str:
    return keys.mint(
        Pass(
            issuer=ISSUER,
            room="drop",
            session_id=session,
            turn=1,
            issued_at=iat,
            expires_at=iat + holds_s,
        )
    )


@dataclass
class Service:
    """The room's service as a connector reaches it: it answers, or it is away."""

    away: bool = False
    keys: PassKeys = SERVICE
    over: bool = False
    busy: bool = False
    # The body of every answer, if there is one.
    garbage: tuple[Any, ...] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, method: str, path: str, bearer: str) -> Answer:
        self.asked.append((method, path))
        if self.away:
            raise OSError("away")
        if self.garbage:
            return Answer(status=200, body=self.garbage[0])
        if "jwks.json" in path:
            return Answer(status=200, body=msgspec.to_builtins(self.keys.public))
        if "revocations" in path:
            body = {"version": 5, "reset": "?" not in path, "more": False, "revoked": []}
            return Answer(status=200, body={**body, "issued_before": None, "pass_s": 300})
        if self.busy:
            return Answer(status=429, body=None)
        if self.over:
            return Answer(status=401, body=None)
        return Answer(status=200, body={"pass": minted(keys=self.keys)})

    def count(self, method: str, path: str) -> int:
        return sum((one, other.partition("?")[0]) == (method, path) for one, other in self.asked)


def gate(service: Service, **options: Any) -> Gate:
    given = {"room": "drop", "when_away": "closed", "clock": lambda: NOW, **options}
    made = Gate(ISSUER, ask=service.ask, **given)
    made.room.refresh()
    return made


def asked(
    path: str = "/", text: str = "", *, method: str = "GET", page: bool = True, **headers: str
) -> Request:
    cookie = {"cookie": f"a=b; __Host-waitroom_pass_drop={text}"} if text else {}
    accept = PAGE if page else {}
    url = f"https://shop.example{path}"
    return Request(method=method, url=url, headers={**accept, **cookie, **headers})


def told(made: Gate, request: Request) -> tuple[int, str]:
    verdict = made.check(request)
    return verdict.status, dict(verdict.headers).get("X-Waitroom-Refusal", "")


def test_while_the_room_is_away_an_open_gate_lets_in_and_a_closed_one_needs_a_pass() -> None:
    never, service = Service(away=True), Service()
    is_open, closed = (gate(never, when_away=choice) for choice in ("open", "closed"))

    assert told(is_open, asked()) == (0, "")
    assert told(is_open, asked(text="forged")) == (0, "")
    assert told(closed, asked()) == (503, "room_away")
    assert told(closed, asked(text=minted())) == (503, "room_away")

    # Once it was there, its keys verify passes without it.
    passed = [0.0]
    known = gate(service, ticks=lambda: passed[0])
    service.away, passed[0] = True, 1.0
    known.room.refresh()
    assert told(known, asked(text=minted())) == (0, "")
    # It was there a moment ago, so it may be there for the shopper.
    assert told(known, asked()) == (302, "pass_missing")
    passed[0] = 60.0
    assert told(known, asked()) == (503, "room_away")
    assert told(known, asked(text=minted())) == (0, "")
    with pytest.raises(ValueError, match="when_away"):
        Gate(ISSUER, room="drop", when_away="ajar")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Gate(ISSUER, room="drop")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        7,
        {},
        {"keys": 7},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "\u00e9"}]},
    ],
)
def test_an_answer_that_cannot_be_read_counts_as_none(body: Any) -> None:
    broken, service = Service(garbage=(body,)), Service()
    never, known = gate(broken), gate(service)
    service.garbage = (body,)

    assert told(never, asked(text=minted())) == (503, "room_away")
    known.room.refresh()
    assert told(known, asked(text=minted())) == (0, "")
    assert told(known, asked(text=minted(iat=NOW - 900))) == (302, "pass_over")


def test_a_pass_is_renewed_in_its_last_third_also_after_its_end_and_never_by_force() -> None:
    service = Service()
    made = gate(service)
    early, late, past = (minted(iat=NOW - age) for age in (150, 250, 900))

    assert made.check(asked(text=early)).headers == []
    assert service.count("POST", "/checkout/session/pass") == 0
    for text in (late, past):
        verdict = made.check(asked(text=text))
        assert verdict.status == 0
        assert dict(verdict.headers)["Set-Cookie"].startswith(
            f"__Host-waitroom_pass_drop={minted()}; Path=/; HttpOnly; SameSite=Lax; Secure"
        )
    assert made.check_at_once(asked(text=late)) is None

    service.over = True
    for _ in range(5):
        assert told(made, asked(text=past, page=False)) == (429, "pass_revoked")
    # A session that is over was asked about once.
    assert service.count("POST", "/checkout/session/pass") == 3
    service.away, service.over = True, False
    other = minted(session=2, iat=NOW - 900)
    assert told(made, asked(text=other, method="POST")) == (503, "room_away")
    assert told(made, asked(text=minted(session=3, iat=NOW - 250))) == (0, "")
    # And a service that failed is left alone for a while.
    assert service.count("POST", "/checkout/session/pass") == 4


def test_new_keys_are_asked_for_once_however_many_forged_passes_come() -> None:
    service, passed = Service(), [0.0]
    made = gate(service, ticks=lambda: passed[0])
    fetched = service.count("GET", "/.well-known/jwks.json")
    service.keys = PassKeys([bytes(32), b"n" * 32])
    passed[0] = 10.0

    assert told(made, asked(text=minted(keys=service.keys))) == (0, "")
    for number in range(20):
        forged = minted(keys=PassKeys([bytes([number + 1]) * 32]))
        assert told(made, asked(text=forged)) == (302, "pass_of_unknown_key")
    assert service.count("GET", "/.well-known/jwks.json") == fetched + 1


def test_a_wrong_clock_ends_in_a_page_and_never_in_a_circle() -> None:
    service = Service()
    ahead = gate(service, clock=lambda: NOW + 9999)
    behind = gate(service, clock=lambda: NOW - 9999)

    for made, code in ((ahead, "clocks_differ"), (behind, "pass_not_yet")):
        # From the cookie, the shopper is led to the room, which hands a new pass over.
        assert told(made, asked(text=minted())) == (302, code)
        assert told(made, asked(f"/?waitroom_pass={minted()}")) == (403, code)


def test_paths_cookies_and_headers_say_which_requests_need_a_pass() -> None:
    made = gate(
        Service(),
        paths=["/checkout", "/api/"],
        cookies=["beta"],
        headers=["X-App"],
        except_paths=["/checkout/help"],
    )

    def is_free(path: str, **headers: str) -> bool:
        return made.check(asked(path, **headers)).status == 0

    for path in ("/", "/checkouts", "/apis", "/checkout/help", "/checkout/help/x?y", "/?/checkout"):
        assert is_free(path), path
    for path in (
        "/checkout",
        "/checkout/",
        "/checkout?x",
        "/CheckOut/pay",
        "/%63heckout",
        "//checkout",
        "/x/..%2fcheckout",
        "/x/../checkout",
        "/./checkout",
        "/\\checkout",
        "/api/x",
        "/checkout/help/../pay",
        "/checkout/help/%2e%2e/pay",
    ):
        assert not is_free(path), path
    assert not is_free("/", cookie="beta=1")
    assert not is_free("/", **{"x-app": "1"})
    assert is_free("/", cookie="alpha=beta")
    with pytest.raises(TypeError, match="list"):
        gate(Service(), paths="/checkout")


def test_the_way_back_is_the_clean_address_and_for_a_form_its_page() -> None:
    made = gate(Service(), site="https://www.shop.example")

    page = made.check(asked("/buy?a=1&waitroom_pass=x&waitroom_pass=y&b=%20"))
    form = made.check(asked("/buy", method="POST", referer="https://www.shop.example/cart?c=1"))
    program = made.check(asked("/buy", method="PUT", page=False))
    head = made.check(asked("/buy", method="HEAD"))

    there = "https%3A%2F%2Fwww.shop.example%2Fbuy%3Fa%3D1%26b%3D%2520"
    assert (page.status, there in page.body.decode()) == (403, True)
    assert (form.status, dict(form.headers)["Retry-After"]) == (429, "10")
    assert "https%3A%2F%2Fwww.shop.example%2Fcart%3Fc%3D1" in form.body.decode()
    assert (program.status, dict(program.headers)["Content-Type"]) == (
        429,
        "application/problem+json",
    )
    assert dict(head.headers)["Location"] == (
        f"{ISSUER}/rooms/drop?to=https%3A%2F%2Fwww.shop.example%2Fbuy"
    )


def test_any_good_pass_of_several_lets_in_and_a_bad_one_beside_it_does_no_harm() -> None:
    made = gate(Service())
    name = "__Host-waitroom_pass_drop"
    both = asked("/", cookie=f"{name}=forged; {name}={minted()}; x")
    handed = asked("/?waitroom_pass=forged", cookie=f"{name}={minted()}")

    assert told(made, both) == (0, "")
    assert dict(made.check(handed).headers)["Location"] == "https://shop.example/"
    # A cookie of another room, or without its prefix, is none.
    assert told(made, asked(cookie=f"waitroom_pass_drop={minted()}")) == (302, "pass_missing")


def test_release_is_asked_for_once_and_its_header_never_goes_on() -> None:
    service = Service()
    made = gate(service)
    let_in, free = made.check(asked(text=minted())), made.check(asked(text=minted(session=2)))
    sent = [("Content-Type", "text/plain"), ("x-waitroom-command", " Release ")]

    answer = made.answered(let_in, sent)

    assert [name for name, _ in answer] == ["Content-Type", "Cache-Control", "Set-Cookie"]
    assert "Max-Age=0" in answer[2][1]
    assert made.answered(free, [("X-Waitroom-Command", "unknown")]) == []
    assert made.answered(gate(service, paths=["/x"]).check(asked()), sent) == sent[:1]
    assert told(made, asked(text=minted(), page=False)) == (429, "pass_revoked")
    assert told(made, asked(text=minted(session=2))) == (0, "")


def test_new_keys_are_asked_for_past_a_cache_that_keeps_the_old_ones() -> None:
    service, passed = Service(), [0.0]
    made = gate(service, ticks=lambda: passed[0])
    passed[0] = 10.0

    told(made, asked(text=minted(keys=PassKeys([b"n" * 32]))))

    asked_for = [path for _, path in service.asked if "jwks" in path]
    assert len(set(asked_for)) == len(asked_for) >= 2


def test_a_crowd_with_old_passes_opens_no_gate_of_a_service_that_is_there() -> None:
    service = Service(busy=True)
    made = gate(service, when_away="open")

    assert told(made, asked(text=minted(iat=NOW - 900))) == (302, "pass_over")
    assert told(made, asked(text=minted(session=2, iat=NOW - 250))) == (0, "")


def test_a_path_is_read_as_the_application_reads_it() -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "checkout",
        "HTTP_HOST": "shop.example",
        "wsgi.url_scheme": "https",
    }
    reached: list[str] = []
    site = WsgiGate(lambda *_: reached.append("wsgi") or [], gate(Service(), paths=["/checkout"]))
    site(environ, lambda *_: None)

    app = web.Application()
    protect(app, gate(Service(), paths=["/checkout"]))
    whole = make_mocked_request("GET", "http://elsewhere.example/checkout", app=app)

    assert reached == []
    assert request_of(whole).url.endswith("/checkout")
    assert told(gate(Service(), paths=["/checkout"]), request_of(whole))[0] != 0


def test_no_shared_cache_keeps_an_answer_with_a_pass() -> None:
    made = gate(Service())
    late, early = made.check(asked(text=minted(iat=NOW - 250))), made.check(asked(text=minted()))
    public = [("cache-control", "public, max-age=600"), ("CDN-Cache-Control", "max-age=600")]
    own = [("Cache-Control", "private, max-age=9")]

    assert [name for name, _ in made.answered(late, public)] == ["Cache-Control", "Set-Cookie"]
    assert made.answered(late, public)[0] == ("Cache-Control", "private, no-cache")
    assert made.answered(late, own)[:1] == own
    assert made.answered(early, public) == public
