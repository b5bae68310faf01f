"""Put a waitroom room in front of a site in Python, without a request to waitroom for each visit.

A shopper whom the room lets in comes back with a *pass*: a short text that the room signed. This
package verifies it by public key, keeps it in a cookie, and renews it. It leads everybody else to
the room. A thread of its own hears of new keys and of revoked passes.

    gate = Gate("https://queue.example", room="drop", when_away="closed", paths=["/checkout"])
    application = WsgiGate(application, gate)      # Django, Flask
    app.add_middleware(AsgiGate, gate=gate)        # Starlette, FastAPI
    for_aiohttp.protect(app, gate)                 # aiohttp

A site whose answer has the header `X-Waitroom-Command: release` gives the shopper's seat to the
next one; the header never reaches the browser.

`passes` verifies and is pure, `room` talks to the room's service, `gate` decides, and the other
modules bring decisions into a framework.
"""

from waitroom_gate.asgi import AsgiGate
from waitroom_gate.gate import Gate, Headers, Request, Verdict
from waitroom_gate.passes import Claims, PassRefused, verify
from waitroom_gate.room import Answer, Room, RoomAway
from waitroom_gate.wsgi import WsgiGate

__all__ = [
    "Answer",
    "AsgiGate",
    "Claims",
    "Gate",
    "Headers",
    "PassRefused",
    "Request",
    "Room",
    "RoomAway",
    "Verdict",
    "WsgiGate",
    "verify",
]
