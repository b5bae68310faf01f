"""The exit codes by which supervisors and service managers decide whether to try again.

The last two are those of sysexits.h. A command about rooms or stock that is refused ends with
`REFUSED`, as Click does for a command line that it does not understand.
"""

from typing import Final

DONE: Final = 0
# A mistake of ours, or a loop that broke down: another process may live.
BROKEN: Final = 1
REFUSED: Final = 2
# Something outside is away or taken: an engine, a port, the data folder, room on the disk.
UNAVAILABLE: Final = 69
# Settings, secrets, rights or data that a person has to change first: trying again is in vain.
UNFIT: Final = 78

# A process that ends so cannot start for a reason outside of it.
CANNOT_START: Final = frozenset({UNAVAILABLE, UNFIT})
