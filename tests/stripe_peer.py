"""Stripe for the tests: localstripe in a process of its own, and a wire to it that can break.

localstripe keeps books as Stripe does. It is GPL-3; nothing but this file's last function touches
it, and that runs in its own process. What it lacks, or what is newer than it, the wire adds on the
way, as Stripe documents it, so that the gateway is tested as it is:

* It knows no Idempotency-Key. The wire gives a repeated key the first answer, and 409 while the
  first request is still running; `forget_keys` is the day after.
* It refuses `allowed_payment_method_types`, whose older name it knows, and `return_url`. With the
  latter Stripe answers `redirect_to_url` where localstripe answers `use_stripe_sdk`.
* It declines with one code alone, its refunds succeed at once and may exceed the payment, and it
  has no trouble of its own. `answer` has the wire say what Stripe would.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web

SECRET_KEY = "sk_test_of_the_tests"
WEBHOOK_SECRET = "whsec_of_the_tests"
BANK = "https://hooks.stripe.com/redirect/"
APPROVED = "pm_card_visa"
DECLINED = "pm_card_chargeCustomerFail"
# Cards as Stripe documents them for tests.
ASKS_FIRST = "4000002500003155"


@contextmanager
def running_localstripe() -> Iterator[str]:
    """Start localstripe on a free port and return its address; it ends with this process."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = process.stdout.readline().strip()
        assert port, "localstripe did not start"
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to requests of which method and path end like this, so many times."""

    ending: str
    times: int = 1
    # Whether the request arrives before its line is cut.
    arrives: bool = False
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    # Half of the answer's body is sent before the line is cut.
    half: bool = False
    # The request waits here, once it has said that it is here.
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None


@dataclass(slots=True)
class Wire:
    """An HTTP proxy before localstripe. `sent` is what came: method, path, fields, headers."""

    target: str
    session: aiohttp.ClientSession
    url: str = ""
    sent: list[tuple[str, str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _answers: dict[str, tuple[int, bytes] | None] = field(default_factory=dict)
    _back: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def cut(self, ending: str, *, arrives: bool, half: bool = False) -> Iterator[None]:
        """Cut the line of requests, also of those that are sent again."""
        fault = Fault(ending=ending, arrives=arrives, half=half, times=sys.maxsize)
        self.faults.append(fault)
        yield
        self.faults.remove(fault)

    def answer(self, ending: str, status: int, /, *, times: int = 1, **body: Any) -> None:
        self.faults.append(Fault(ending=ending, times=times, status=status, body=body))

    def refuse(self, ending: str, status: int, /, *, times: int = 1, **error: Any) -> None:
        self.answer(ending, status, times=times, error={"message": "no", **error})

    def hold(self, ending: str) -> Fault:
        """Let a request wait; it goes on when the fault's gate is set."""
        fault = Fault(ending=ending, arrives=True, gate=asyncio.Event())
        self.faults.append(fault)
        return fault

    def forget_keys(self) -> None:
        self._answers.clear()

    def count(self, ending: str) -> int:
        return sum(f"{method} {path}".endswith(ending) for method, path, _, _ in self.sent)

    async def ask(self, method: str, path: str, **fields: str) -> dict[str, Any]:
        """Ask localstripe itself."""
        async with self.session.request(
            method,
            f"{self.target}{path}",
            data=fields or None,
            headers={"Authorization": f"Bearer {SECRET_KEY}"},
        ) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
        return body

    async def card(self, number: str) -> str:
        """Make a payment method of a card's number, as Stripe's script does in a browser."""
        card = {"number": number, "exp_month": "12", "exp_year": "2031", "cvc": "123"}
        fields = {f"card[{name}]": value for name, value in card.items()}
        made = await self.ask("POST", "/v1/payment_methods", type="card", **fields)
        return str(made["id"])

    async def charges(self, *, of: str | None = None) -> list[dict[str, Any]]:
        """Return the charges that money was or is set aside for, of one intent or of all."""
        found = (await self.ask("GET", "/v1/charges?limit=100"))["data"]
        return [
            charge
            for charge in found
            if charge["status"] == "succeeded" and of in {None, charge["payment_intent"]}
        ]

    async def authenticate(self, intent_id: str, *, success: bool) -> None:
        """Let the shopper confirm at the bank, or fail to."""
        intent = await self.ask("GET", f"/v1/payment_intents/{intent_id}")
        await self.ask(
            "POST",
            f"/v1/payment_intents/{intent_id}/_authenticate",
            client_secret=intent["client_secret"],
            success=str(success).lower(),
        )

    async def carry(self, request: web.Request) -> web.StreamResponse:
        fields = dict(parse_qsl(await request.text()))
        self.sent.append((request.method, request.path, fields, dict(request.headers)))
        fault = self._fault_of(f"{request.method} {request.path}")
        if fault is not None and fault.gate is not None:
            fault.reached.set()
            await fault.gate.wait()
            fault = None
        if fault is not None and fault.status:
            return web.json_response(fault.body, status=fault.status)
        status, body = 0, b""
        if fault is None or fault.arrives:
            status, body = await self._once(request, fields)
        if fault is None:
            return web.Response(status=status, body=body, content_type="application/json")
        if fault.half:
            response = web.StreamResponse(status=status, headers={"Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _fault_of(self, what: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and what.endswith(fault.ending):
                fault.times -= 1
                return fault
        return None

    async def _once(self, request: web.Request, fields: dict[str, str]) -> tuple[int, bytes]:
        """Pass a request on, unless its key had an answer already."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return await self._pass_on(request, fields)
        if key in self._answers:
            return self._answers[key] or (409, _IN_USE)
        self._answers[key] = None
        self._answers[key] = answer = await self._pass_on(request, fields)
        return answer

    async def _pass_on(self, request: web.Request, fields: dict[str, str]) -> tuple[int, bytes]:
        renamed = {
            name.replace("allowed_payment_method_types", "payment_method_types"): value
            for name, value in fields.items()
        }
        back = renamed.pop("return_url", None)
        if back is not None:
            self._back[request.path.split("/")[3]] = back
        async with self.session.request(
            request.method,
            f"{self.target}{request.path_qs}",
            data=urlencode(renamed) if renamed else None,
            headers={
                "Authorization": request.headers.get("Authorization", ""),
                "Content-Type": "application/x-www-form-urlencoded",
            },
        ) as answer:
            return answer.status, self._as_stripe(await answer.read())

    def _as_stripe(self, raw: bytes) -> bytes:
        try:
            body = json.loads(raw)
        except ValueError:
            return raw
        if isinstance(body, dict) and body.get("next_action") and body.get("id") in self._back:
            body["next_action"] = {
                "type": "redirect_to_url",
                "redirect_to_url": {
                    "url": BANK + body["id"],
                    "return_url": self._back[body["id"]],
                },
            }
        return json.dumps(body).encode()


_IN_USE = json.dumps(
    {"error": {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": "no"}}
).encode()


def _serve() -> None:
    """Run localstripe on a free port, say which, and end when nobody holds the other end."""
    from localstripe import resources  # noqa: PLC0415 - GPL-3, see above
    from localstripe.server import app  # noqa: PLC0415

    # It would write its books to one file for all of the machine.
    resources.Store.dump_to_disk = lambda _: None
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)  # noqa: T201 - read by whoever started it

    def watch() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    web.run_app(app, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    _serve()
