"""The description of the API, as OpenAPI 3.1 for programs and as a page for people.

Nothing in it is written by hand twice. The routes say which paths there are. The handlers say what
they take and answer (`inventory/kit/doors/described.py`), and the guard says who may call them.
msgspec knows the JSON Schema of the bodies' types; their docstrings, and the comments above their
fields, become descriptions. The examples are answers that the tests got.

| module | for |
|---|---|
| `operations` | the described routes: paths, names, audiences |
| `refused` | the refusals that every route of a kind has |
| `schemas` | the types of bodies as JSON Schema |
| `document` | the whole as one OpenAPI document |
| `examples` | an example for each operation, as a test saw it |
| `page` | the document as a person reads it |
| `api` | `/openapi.json`, and the page `/api` |

Pages and forms for browsers are not in the document: they are no interface for programs, and may
change at any time. A test lists them (`tests/unit/house/test_described.py`), so that every other
route has to be described.
"""
