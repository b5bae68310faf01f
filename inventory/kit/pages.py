"""Pages: templates in, HTML with a strict policy out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from aiohttp import web
from jinja2 import pass_context
from multidict import CIMultiDict

from inventory.kit.language.asked import language_of
from inventory.kit.language.catalogues import choices, english
from inventory.kit.language.scripts import words_of
from inventory.kit.problem import Refusal

# The values that a template uses, by name. Jinja knows no types, and refuses an unknown name when a
# page is rendered.
Context = Mapping[str, Any]

# Nothing inline and nothing from elsewhere: what a page needs stands in /static.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Data, files and redirects load nothing and stand in no frame, wherever a browser shows them.
DATA_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=()"
PAGE = CIMultiDict(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": CSP,
        "Vary": "Accept-Language, Cookie",
    }
)
# Texts of pages that many get with the same values: all who are new in one moment, above all.
KEPT_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class LookTexts:
    """A room's own texts in one language; empty ones leave the page as it is."""

    name: str = ""
    intro: str = ""
    sold_out: str = ""
    ended: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a room looks; what is empty looks as on all pages."""

    brand: str = ""
    # Addresses: of two pictures, and of the stylesheet that has the room's colours.
    logo: str = ""
    picture: str = ""
    sheet: str = ""
    # By the tag of a language.
    texts: Mapping[str, LookTexts] = field(default_factory=dict)


PLAIN_LOOK = Look()
NO_TEXTS = LookTexts()


def static_folder() -> Path:
    return Path(str(resources.files("static")))


class Pages:
    """Render templates under one brand.

    `filters` and `shared` are functions and values of the parts above this kit that every template
    may use. A filter gets the locale of the page as its last argument. `look_of` tells how the
    room of a page looks.
    """

    def __init__(
        self,
        *,
        brand: str,
        filters: Mapping[str, Callable[..., str]],
        shared: Context,
        look_of: Callable[[str], Look] = lambda _: PLAIN_LOOK,
    ) -> None:
        self._brand = brand
        self._look_of = look_of
        self._kept: dict[bytes, bytes] = {}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(static_folder() / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(_WRITTEN)
        self._templates.filters.update({name: _local(write) for name, write in filters.items()})
        self._templates.globals.update(_TOLD, languages=choices, **shared)

    def render(
        self,
        template: str,
        context: Context,
        *,
        title: str,
        status: int = 200,
        request: web.Request | None = None,
        room: str | None = None,
        look: Look | None = None,
        keep: bool = False,
    ) -> web.Response:
        """Render a page; moments and ids in `context` are written as in the JSON API.

        A page with its request is in the shopper's language and has the switch, and one without it
        is in English. It looks as `look` says, or as `room` does, or the room in its path. With
        `keep` the text is kept for requests with exactly these values.
        """
        language = english() if request is None else language_of(request)
        if look is None:
            room = room or (request.match_info.get("room") if request is not None else None)
            look = self._look_of(room) if room else PLAIN_LOOK
        values = msgspec.to_builtins(dict(context))
        here = "" if request is None else _address_of(request)
        # A text depends on nothing else.
        told = (template, title, language.tag, here, look, values)
        key = msgspec.json.encode(told) if keep else b""
        body = self._kept.get(key)
        if body is None:
            found = self._templates.get_template(template)
            text = found.render(
                brand=look.brand or self._brand,
                look=look,
                look_texts=look.texts.get(language.tag, NO_TEXTS),
                page_title=title,
                language=language,
                here=here,
                **values,
            )
            body = text.encode()
            if keep:
                self._keep(key, body)
        response = web.Response(body=body, status=status, headers=PAGE)
        response.headers["Content-Language"] = language.tag
        return response

    def _keep(self, key: bytes, body: bytes) -> None:
        self._kept[key] = body
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    def problem(self, request: web.Request, refusal: Refusal, back: str) -> web.Response:
        """Render a refusal for a person; `back` is the path of the page they come from, or ""."""
        language = language_of(request)
        title = language.say(refusal.title)
        context = {
            "back": back,
            "status": refusal.status,
            "title": title,
            "detail": refusal.told(language),
            "code": refusal.code,
        }
        return self.render(
            "problem.html", context, title=title, status=refusal.status, request=request
        )


def _address_of(request: web.Request) -> str:
    """Return the address of the page, to lead back to it. A form's answer stands below its page."""
    if request.method in {"GET", "HEAD"}:
        return request.path_qs
    page = request.path.rpartition("/")[0] or "/"
    query = request.rel_url.raw_query_string
    return f"{page}?{query}" if query else page


def _local(write: Callable[..., str]) -> Callable[..., str]:
    return pass_context(lambda page, *values: write(*values, page["language"].locale))


# What every template may use to speak the language that its page was given.
_TOLD = {
    "say": pass_context(lambda page, *texts, **values: page["language"].markup(*texts, **values)),
    "say_n": pass_context(
        lambda page, *texts, **values: page["language"].markup_n(*texts, **values)
    ),
    "script_words": pass_context(
        lambda page, *names: words_of(static_folder() / "js", names, page["language"])
    ),
}
_WRITTEN = {
    name: pass_context(lambda page, value, name=name: getattr(page["language"], name)(value))
    for name in ("number", "duration", "clock", "clock_s", "day", "moment", "percent")
}
