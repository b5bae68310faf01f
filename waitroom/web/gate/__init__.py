"""HTTP of gates: the check that a site's proxy asks for, and the way back to the site.

A proxy asks at `/check/{room}` before it passes a request on (`check_api`). A shopper who is
refused comes to the room with the address that they wanted, signed, and is led there once they are
let in (`returning`). To another host the session is handed over (`hand_overs`). A site may also
verify passes by itself, without asking (`passes_api`).
"""
