"""HTTP for operators: accounts, rooms, the shop, webhooks.

Every route states its role where it is registered (`Guard.as_role` in `accounts`), and a test lists
them all, so a new route is never reachable by accident. Every change writes its operator's action
in the same transaction. `bodies` has the bounds of every figure; the command line uses the same.

* `accounts`: signing in, roles, second factors, the operators' own accounts, API keys, the records
  of actions and of security events.
* `audit`: both records for people, and the networks that stand out in a room.
* `rooms`: rules and status, lanes, invitations and profiles, single places, another shop's stock.
* `first`: the first sale, step by step.
* `live`: a running room as operators watch it.
* `shop`: products, files, stock and movements, orders, refunds, analytics.
"""
