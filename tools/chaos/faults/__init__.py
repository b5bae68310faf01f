"""What goes wrong, each kind as one small function.

A fault is called in mid-sale, and returns when it is over: from then on the sale has to go on.
`dice` are its own, so a seed chooses which process, and when within a second. Each module below
has the faults of one part; importing this package registers them all.
"""

from chaos.faults import (
    clocks,
    disks,
    failover,
    gateway,
    postgres,
    processes,
    several,
    shoppers_way,
    valkey,
    versions,
    wires,
)
from chaos.faults.registry import REGISTERED, Fault

# In the order of the table.
PARTS = (
    *(processes, versions, shoppers_way, postgres, failover, disks, valkey),
    *(wires, gateway, clocks, several),
)
FAULTS = {
    name: one
    for part in PARTS
    for name, one in REGISTERED.items()
    if one.act.__module__ == part.__name__
}

__all__ = ["FAULTS", "Fault"]
