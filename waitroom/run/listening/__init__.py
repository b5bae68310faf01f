"""The HTTP side of a process: sockets, connections and what one client may take of them.

A process has a bounded number of descriptors. An idle connection takes one, and so does one whose
client reads its answer a byte at a time. `descriptors.py` raises the limit and divides it,
`connections.py` decides which connection ends when another one comes, `server.py` carries it out
beneath aiohttp, and `front.py` opens and closes it all. `requests.py` serves the requests of one
connection, and keeps nothing of them when they are answered. `headers.py` completes each answer.
`own_port.py` keeps the operators' addresses to a port of their own, if they have one.

Timers would cost every request something. One sweep a second looks at all connections instead, and
asks each what the transport knows anyway.

# More requests than a process gets done

A loop runs what is ready in order, so a payment would wait behind thousands of looks at the line
at each of its twenty steps. `connection.py` keeps what a client sends until `precedence.py` lets
its request begin: a few in each turn of the loop, so that turns are short, and those of shoppers
inside before all others. A request that waits for half a second is answered with 503 by
`refusing.py`, from bytes that were made before, and aiohttp never hears of it. `Retry-After` is
drawn between two and eight seconds, so that those who were refused together do not come back
together. A client that does not wait as told comes behind all who do. `front.py` takes several
newcomers in each turn, and leaves few to wait in the kernel, where nobody could tell them
anything. How many can begin within the half second is measured; while as many wait, here and in the
kernel, one more is refused at once, and `door.py` does so with newcomers before they are let in.
"""
