"""Changes that another site lets a browser send."""

from aiohttp import web

from inventory.kit.doors.client import api_key
from inventory.kit.doors.origins import Origin, origin_of, parse_origin
from inventory.kit.problem import BadRequest, CrossSite

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The address of the service as browsers know it, where that is set.
OWN_ORIGIN: "web.AppKey[Origin | None]" = web.AppKey("own_origin")
# The routes that change nothing by any method: a proxy asks there with the method and the headers
# of the request that it asks about.
ASKED_ONLY: "web.AppKey[frozenset[str]]" = web.AppKey("asked_only")


def refuse_cross_site(request: web.Request, route: str) -> None:
    """Raise `CrossSite` when a browser says that another site sent this change.

    Browsers leave `Sec-Fetch-Site` out over plain http; then the Origin header decides. Cookies are
    SameSite=Lax besides; programs send neither header and authorise themselves. Raises `BadRequest`
    for an Origin header that cannot be read.
    """
    if request.method in SAFE_METHODS or route in request.config_dict.get(ASKED_ONLY, ()):
        return
    # No browser sends a key by itself, so no other site can borrow it.
    if api_key(request) is not None:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise CrossSite
        return
    header = request.headers.get("Origin")
    if header is not None and not is_ours(request, _sender(request, header)):
        raise CrossSite


def _sender(request: web.Request, header: str) -> Origin | None:
    """Return the origin that sent a request, None for one that cannot be told."""
    if header.strip().lower() == "null":
        # A browser that hides the origin of a form may still say which page it stood on.
        return origin_of(request.headers.get("Referer", ""))
    try:
        return parse_origin(header)
    except ValueError as error:
        if "://" in header and not header.lower().startswith(("http://", "https://")):
            # The origin of an app or of a browser's extension.
            return None
        raise BadRequest(f"The Origin header cannot be read: {error}.") from error


def is_ours(request: web.Request, sender: Origin | None) -> bool:
    """Say whether a request was sent by a page of this service."""
    if sender is None:
        return False
    return sender == request.config_dict.get(OWN_ORIGIN) or sender.is_at(request.host)
