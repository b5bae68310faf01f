"""Providers of outside checks, and the settings that choose one. Pure."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from inventory.kit.doors.origins import is_safe_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The addresses, keys and origins by which page and server use a provider.

    `origins` are those that the page's policy lets it load scripts and frames from.
    """

    verify_url: str
    script_url: str
    site_key: str
    secret: str = field(repr=False)
    origins: tuple[str, ...]


# The addresses and the origins of known providers, as their documentation names them.
KNOWN = {
    "turnstile": (
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        ("https://challenges.cloudflare.com",),
    ),
    "hcaptcha": (
        "https://api.hcaptcha.com/siteverify",
        "https://js.hcaptcha.com/1/api.js",
        ("https://hcaptcha.com", "https://*.hcaptcha.com"),
    ),
}


def provider_of(
    name: str, *, site_key: str, secret: str, verify_url: str, script_url: str
) -> Provider | None:
    """Return the provider that the settings choose, None without a site key."""
    if not site_key:
        return None
    known = KNOWN.get(name, ("", "", ()))
    script_url = script_url or known[1]
    script = urlsplit(script_url)
    return Provider(
        verify_url=verify_url or known[0],
        script_url=script_url,
        site_key=site_key,
        secret=secret,
        origins=known[2] or (f"{script.scheme}://{script.netloc}",),
    )


def check_provider(name: str, site_key: str, verify_url: str, script_url: str) -> None:
    """Check the settings of an outside check; raises `ValueError` where a part would be missing."""
    if not site_key:
        if name or verify_url or script_url:
            raise ValueError("an outside check needs check_site_key")
        return
    if not name and not (verify_url and script_url):
        raise ValueError(
            "check_site_key needs check_provider, or check_verify_url and check_script_url"
        )
    for url in (verify_url, script_url):
        if url and not is_safe_address(url):
            raise ValueError(
                "check_verify_url and check_script_url are https addresses, or http on this machine"
            )
