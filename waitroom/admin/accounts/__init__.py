"""Operators' accounts: sign-in, roles, and the record of actions.

Viewer, operator and admin are a ladder: each may do what those before it may. A seller stands apart
and reaches their own products, stock and part of the orders, by the `scope` of the operator.

Passwords are argon2id hashes. A session is a random secret in a cookie, of which the database keeps
a hash; it ends after two idle hours, after twelve in all, and when its account changes. There is
always an active admin (`test_two_admins_who_shut_each_other_out_leave_one`). The record of actions
is append-only.

| module | for |
|---|---|
| `sign_in`, `guard` | opening a session, and the role that each route asks for |
| `people`, `passwords` | the accounts, and the passwords that they may have |
| `factors`, `proofs` | second factors, and fresh proofs before dangerous acts |
| `provider` | sign-in at an OpenID provider |
| `sessions` | the list of an operator's sessions |
| `keys`, `scopes` | API keys of programs |
| `actions`, `events` | the record of actions, and the log of security events |
"""
