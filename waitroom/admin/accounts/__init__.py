"""Operators' accounts: sign-in, roles, and the record of actions.

Viewer, operator and admin are a ladder: each may do what those before it may. A seller stands apart
and reaches their own products, stock and part of the orders, by the `scope` of the operator.

Passwords are argon2id hashes. A session is a random secret in a cookie, of which the database keeps
a hash; it ends after two idle hours, after twelve in all, and when its account changes. There is
always an active admin (`test_two_admins_who_shut_each_other_out_leave_one`). The record of actions
is append-only. Second factors and fresh proofs stand in `factors`.
"""
