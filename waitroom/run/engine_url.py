"""Addresses of engines, checked before anything connects. Pure."""

import re
from urllib.parse import urlsplit


def check_engine_url(setting: str, url: str, schemes: set[str]) -> None:
    """Raise `ValueError` for an address that no engine can have, and never repeat its password."""
    scheme, colon, rest = url.partition("://")
    if not (colon and scheme in schemes):
        raise ValueError(f"{setting} begins with {' or '.join(sorted(schemes))}, and then ://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    try:
        # PostgreSQL takes several hosts with commas between them.
        for host in authority.split(","):
            _ = urlsplit(f"//{host}").port
    except ValueError:
        raise ValueError(f"{setting} names a host or a port that cannot be read") from None
