"""The HTTP side of a process: sockets, connections and what one client may take of them.

A process has a bounded number of descriptors. An idle connection takes one, and so does one whose
client reads its answer a byte at a time. `descriptors.py` raises the limit and divides it,
`connections.py` decides which connection ends when another one comes, `server.py` carries it out
beneath aiohttp, and `front.py` opens and closes it all. `headers.py` completes each answer.
`own_port.py` keeps the operators' addresses to a port of their own, if they have one.

Timers would cost every request something. One sweep a second looks at all connections instead, and
asks each what the transport knows anyway.
"""
