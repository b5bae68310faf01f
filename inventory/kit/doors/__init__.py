"""The values that come in, each with one reader for every door.

A value reaches the service through the API, the command line, a CSV file, a settings file or a
form. Each kind of value has one type here, with one grammar and one set of bounds, and every door
uses it. A value that one door refuses is thus refused by all.

| module | for |
|---|---|
| `moments` | moments, with their offset from UTC, in the years 2000 to 2199 |
| `texts` | names that people read, and longer texts |
| `origins` | the origins of web pages, and whether an address is on this machine or safe for keys |
| `accept` | which of two kinds of answer a client prefers, and in which codings |
| `etags` | which versions of a document a client has |
| `decoding` | bodies in JSON, and the arguments of commands |
| `client` | the client that a request came from: its address, its token, and the host it asked |
| `client_address` | its address, as trusted proxies report it |
| `keys` | which idempotency keys name one client alone |
| `query` | the parameters of a query string |
| `described` | what a route takes and answers, noted on its handler |
| `cookies` | the cookies of a request, and which of them a browser gives up |

`Moment`, `Name` and their kin are plain `datetime` and `str` once they are read; as the type of a
field they name the reader. `decoding` knows all readers.
"""
