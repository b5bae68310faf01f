"""The signing keys while the program runs: one is added, taken up everywhere, and one dropped.

A token that one process signs is read by all others, so a key may sign only when every process
accepts it. A rotation therefore has two steps, and each is a change of the secrets file:

1. The new key is written as `coming_key`: accepted, and not signing yet.
2. When every running process has reported that it accepts the key, it moves to the end of
   `signing_keys`, and signs.

A supervisor watches the file and renews its processes one by one, which no request notices. Each
process reports the ids of its keys to PostgreSQL (`report`), on whatever machine it runs. So the
command knows when the second step is safe, and a machine that was forgotten shows up: by name in
the command, and as `keys_differ` in the logs of all others.

An old key may go when nothing that it signed is alive. PostgreSQL knows when a key signed last,
and which places, turns and invitations are older than that and still good (`key_store`). Places
themselves have no row, but the public log says how far each line had got by then. The first key
of all is kept as `first_key` when it is retired: the log's own key and the public ids of sessions
are derived from it, and neither opens anything.
"""
