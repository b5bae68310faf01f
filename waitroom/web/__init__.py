"""HTTP for shoppers: JSON for programs, pages for browsers, and the ends that run a service.

A handler reads the request, asks `desk` or `reports`, and writes the answer. It knows no SQL and no
Valkey. Refusals are raised and become problem+json, or a page, in the one middleware of
`inventory.kit.http`.

`credentials` reads tickets, sessions, invitations and join keys from a request, and alone knows the
names of their cookies. It binds what it gives to the browser or app that asked
(`inventory.kit.holders`). `answers` has the bodies of JSON.

Pages are rendered on the server and work without JavaScript as far as they can; the scripts in
`static/js` use the same JSON calls as any program. Tickets and sessions travel in cookies for pages
and in `Authorization: Bearer` for programs.

`waiting/` has what the waiting page says: its sentences, and the calendar file of an opening.

`ops` has `/healthz`, `/readyz`, `/metrics`, and `/check`, which tells a site's proxy whether a
request carries a live session.
"""
