"""The headers of a request that a limit refuses.

`Retry-After` (RFC 9110) is for every client. `RateLimit` and `RateLimit-Policy`, as the IETF drafts
them (draft-ietf-httpapi-ratelimit-headers), tell a program which limit it met and how large it is.
"""

from math import ceil

from inventory.kit.limits.gcra import Allowance


def refused_fields(name: str, allowance: Allowance, wait_s: float) -> dict[str, str]:
    """Return the headers of a refusal by the limit of this name."""
    seconds = max(ceil(wait_s), 1)
    return {
        "Retry-After": str(seconds),
        "RateLimit": f'"{name}";r=0;t={seconds}',
        "RateLimit-Policy": f'"{name}";q={allowance.burst};w={max(ceil(allowance.window_s), 1)}',
    }
