"""Whole sales from a seed: real processes, with time, network and engines that obey dice.

    seed ──► dice ──► plan of faults ──► one sale in virtual time ──► promises checked ──► trace

A process of the simulation is the real `Service` of `build_service` with its real loops. The desk,
the board, the leader, the batchers, the shares of connections, the stores with their repeats, the
payment driver and the leases all run as they are. The rim is replaced:

* `clockwork.py`: the event loop. Its time is virtual, and the dice choose which task goes first.
  Randomness of the code comes from the same dice. A process can be killed between any two awaits.
* `network.py`: requests and replies that are late, lost, doubled or cut off.
* `postgres.py` and `books/`: PostgreSQL. The pool answers the named queries from tables in memory.
* `valkey.py`: Valkey, which may be away, and forgets everything when it is flushed.
* `gateway.py`: the payment gateway.

`shopper.py` walks obedient shoppers through a sale, `sale.py` plays one, `promises.py` says what
must hold, and `run.py` plays many. Some sales open with a draw, and some of what was bought is sent
back: an operator gives its money back, and the units are sold again.

    make simulate SEEDS=3000 FROM=1
    make simulate SEED=17

# What is not covered

The SQL is not run, so its locks, plans and constraints are not covered here. `books/` keeps the
contracts of the functions, one statement at a time, without invitations, customers, SKUs by name,
wishes, waiting for returns, public values, refunds by hand or from the gateway's pages, or
networks' limits. The comparison (`comparison/`) does the same random steps on `books/` and on a
real PostgreSQL and compares each answer. Processes are killed and never
told to stop, so their orderly ends are not covered, nor are HTTP, pages and browsers, supervisors
and Lua.
"""
