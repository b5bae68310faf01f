"""Pages: templates in, HTML with strict headers out."""

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from aiohttp import web
from multidict import CIMultiDict

from inventory.kit.problem import Refusal

# The values that a template uses, by name. Jinja knows no types, and refuses an unknown name when a
# page is rendered.
Context = Mapping[str, Any]

# Nothing inline and nothing from elsewhere: what a page needs stands in /static.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE = CIMultiDict(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "Server": "waitroom",
    }
)
HSTS = "max-age=31536000"


def duration(seconds: int) -> str:
    """Write a time as people say it, never longer than it is."""
    if seconds < 100 and seconds != 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def static_folder() -> Path:
    return Path(str(resources.files("static")))


class Pages:
    """Render templates under one brand. `secure` adds HSTS, for sites that run on https.

    `filters` and `shared` are functions and values of the parts above this kit that every template
    may use.
    """

    def __init__(
        self,
        *,
        brand: str,
        secure: bool,
        filters: Mapping[str, Callable[..., str]],
        shared: Context,
    ) -> None:
        self._brand = brand
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(static_folder() / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(duration=duration, **filters)
        self._templates.globals.update(shared)
        self._headers = CIMultiDict(PAGE)
        if secure:
            self._headers["Strict-Transport-Security"] = HSTS

    def render(
        self, template: str, context: Context, *, title: str, status: int = 200
    ) -> web.Response:
        """Render a page; moments and ids in `context` are written as in the JSON API."""
        values = msgspec.to_builtins(dict(context))
        found = self._templates.get_template(template)
        text = found.render(brand=self._brand, page_title=title, **values)
        return web.Response(body=text.encode(), status=status, headers=self._headers)

    def problem(self, refusal: Refusal, back: str) -> web.Response:
        """Render a refusal for a person; `back` is the path of the page they come from, or ""."""
        context = {
            "back": back,
            "status": refusal.status,
            "title": refusal.title,
            "detail": refusal.detail,
            "code": refusal.code,
        }
        return self.render("problem.html", context, title=refusal.title, status=refusal.status)
