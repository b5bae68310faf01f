"""Pictures of what is sold: uploaded by operators and sellers, read by the crowd.

A file is a picture by its content, never by its name. `picture` reads it, refuses everything else,
and drops what no page shows, above all the place at which a phone took it. It is kept in PostgreSQL
under the hash of its bytes, so what an address leads to never changes, and a browser or a proxy
asks for it once. Every process keeps those that are asked for in memory.
"""
