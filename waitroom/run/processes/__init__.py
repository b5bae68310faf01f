"""Several processes on one port, and the supervisor that looks after them.

Each process beats to its supervisor once a second over a pair of sockets (`heartbeat.py`), so a
process that is frozen is told from one that works, whatever has become of PostgreSQL. A frozen
process is killed and started again (`silence.py` has the limits): it would keep its share of the
new connections and serve none of them. On SIGHUP, and when the secrets file changes (`watched.py`),
the processes are replaced one by one by ones with the code on disk (`renewal.py`).

Of each start nine tenths are for loading the code. So a supervisor keeps one spare process that has
loaded it, and that forks all others (`spare.py`).

Each web process listens on a socket of its own, which its supervisor keeps open too. A process that
takes the place of one that leaves, or that was frozen, gets its socket, with the connections that
wait there, so none of them is refused. One that leaves serves until the next one does. Where a
process has died no connection waits yet, and none shall: while others serve, its socket is closed,
and the kernel gives new connections to them.
"""

from waitroom.run.processes.ports import PortInUse, claim_port
from waitroom.run.processes.supervisor import Supervisor

__all__ = ["PortInUse", "Supervisor", "claim_port"]
