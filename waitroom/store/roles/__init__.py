"""Two roles of PostgreSQL: the owner, who migrates, and the running role, which sells.

The processes that serve shoppers connect as the running role. It reads everything, and what it
changes it changes through the functions of the migrations: these check, keep the log and the
record, and run with the owner's rights (SECURITY DEFINER, with a fixed search path). By hand it
cannot write stock, numbers, admissions, the log, the record or money; it neither makes nor drops
anything. `rights` lists the few columns that the stores write themselves, such as leases and the
queue of webhooks, and `doors` finds the functions.

`grants.settle_rights` runs at the end of every migration, in its transaction, so a new function is
never without its rule. A table without a rule can only be read, and a test then fails.

Defended: a statement that an attacker smuggles into a process, and a mistake of ours. Not defended:
a stolen process can call the functions that sell, since that is its work. The embedded engine
trusts everyone who may enter the folder of its socket.
"""
