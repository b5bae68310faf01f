"""HTTP for operators: accounts, rooms, the shop, webhooks.

Every route states its role where it is registered (`Guard.as_role` in `accounts`), and a test lists
them all, so a new route is never reachable by accident. Every change writes its operator's action
in the same transaction. `bodies` has the bounds of every figure; the command line uses the same.

* `accounts`: signing in, roles, the operators' own accounts, the record of actions.
* `rooms`: rules and status, lanes, invitations and profiles, single places, another shop's stock.
* `shop`: products, files, stock and movements, orders, refunds, analytics.
"""
