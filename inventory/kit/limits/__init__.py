"""Limits on requests: allowances that a household or an office never notices.

| module | holds |
|---|---|
| `gcra` | the buckets of a process, bounded and pure |
| `classes` | the allowance of each class of routes |
| `fields` | the headers of a refusal |
| `limited` | the middleware, and the buckets of bearers |

Every route has a class, by its method unless its handler names one, so a new route is limited
by itself. Each process keeps its own buckets and asks no engine. A request takes from the
bucket of its network first. Once a handler knows the bearer of a ticket, a session or an account,
the request takes from the bearer's bucket too, so that one bearer among many at one address does
not use up what all of them have.
"""
