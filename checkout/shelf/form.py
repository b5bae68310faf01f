"""What the forms of the checkout send. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from inventory.catalogue import is_code
from inventory.hold import ITEMS_MAX, QUANTITY_MAX, Basket
from inventory.kit.doors.decoding import words_of
from inventory.kit.doors.query import SEARCH, QueryString, Text
from inventory.kit.doors.texts import UnfitText
from inventory.kit.http import KEY_LENGTH_MAX
from inventory.kit.language.language import phrase
from inventory.kit.problem import BadRequest, IdempotencyKeyMissing, Refusal, Unprocessable
from inventory.money import UnreadableAmount, parse_minor
from inventory.refusals import OutOfStock

FIELD, KEEP_FIELD, TOTAL_FIELD, CONTENT_FIELD = "quantity-", "keep-", "total-", "content-"
# What a button of the page leads to, as a query.
TO_FIELD = "to"
# A field that is empty or 0 asks for nothing.
_WHOLE = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A page of the goods, as its address names it.

    search: the words that were searched for, "" for all goods.
    product: the code of the one product whose variants are shown, "" for all products.
    after: the code after which the page begins.
    """

    search: str = ""
    product: str = ""
    after: str = ""

    @property
    def is_first(self) -> bool:
        """Say whether it is the page that the checkout opens with."""
        return self == _FIRST

    def query(self) -> dict[str, str]:
        """Return it as the parameters of an address; those that are empty are left out."""
        named = {"q": self.search, "product": self.product, "cursor": self.after}
        return {name: value for name, value in named.items() if value}


_FIRST = Sought()


def _read_code(text: str) -> str:
    if text and not is_code(text):
        raise UnfitText("is a code of letters, digits, points, hyphens and underscores")
    return text


_PRODUCT = Text(name="product", text="The product whose variants are shown.", read=_read_code)
_AFTER = Text(name="cursor", text="The code after which the page begins.", read=_read_code)


def sought(query: Mapping[str, str]) -> Sought:
    """Return the page that an address names; raises `BadRequest` for a search that is too long."""
    return Sought(
        search=SEARCH.of(query),
        product=_PRODUCT.of(query),
        after=_AFTER.of(query),
    )


def chosen(form: Mapping[str, str], *, field: str = FIELD) -> dict[str, int]:
    """Return the units that a form or an address asks for, by SKU, as it says them."""
    return {
        name.removeprefix(field): int(value)
        for name, value in form.items()
        if name.startswith(field) and _WHOLE.fullmatch(value)
    }


def carried(query: Mapping[str, str]) -> dict[str, int]:
    """Return what an address carries as chosen on other pages, as much as one basket has."""
    codes = {sku: units for sku, units in chosen(query).items() if is_code(sku)}
    return dict(list(codes.items())[:ITEMS_MAX])


def basket(form: Mapping[str, str], *, field: str = FIELD) -> dict[str, int]:
    """Return what a form asks for, checked like the body of the API."""
    units = chosen(form, field=field)
    items = [{"sku": sku, "quantity": count} for sku, count in units.items()]
    if not items:
        raise BadRequest(phrase("Choose at least one item."))
    if len(items) > ITEMS_MAX:
        told = phrase("At most {limit} different items go into one basket. Please choose fewer.")
        raise Unprocessable(told, limit=ITEMS_MAX)
    if max(units.values()) > QUANTITY_MAX:
        told = phrase("At most {limit} of one item go into one basket. Please choose fewer.")
        raise Unprocessable(told, limit=QUANTITY_MAX)
    try:
        return msgspec.convert({"items": items}, Basket).quantities()
    except msgspec.ValidationError as error:
        raise Unprocessable(f"{words_of(error)}.") from error


def address_sought(form: Mapping[str, str], room: str) -> str:
    """Return the address of the page that a form leads to, with all that is chosen in it.

    A button that leads somewhere names it; the form's own field is a search. The address always
    has a `q`: it tells a page that was asked for from the one that the checkout opens with.
    """
    to = form.get(TO_FIELD)
    page = sought({"q": form.get("q", "")} if to is None else QueryString(to))
    units = {f"{FIELD}{sku}": str(count) for sku, count in carried(form).items()}
    return f"/checkout?{urlencode({'room': room, 'q': '', **page.query(), **units})}"


def shown_total(form: Mapping[str, str], hold_id: UUID) -> int | None:
    """Return the total that the page showed for a hold; raises `Unprocessable`."""
    text = form.get(f"{TOTAL_FIELD}{hold_id}")
    try:
        return None if text is None else parse_minor(text)
    except UnreadableAmount as error:
        raise Unprocessable from error


def form_key(form: Mapping[str, str]) -> str:
    """Return the key that makes a repeated form recognisable; raises `IdempotencyKeyMissing`."""
    key = form.get("key", "")
    if not key or len(key) > KEY_LENGTH_MAX:
        raise IdempotencyKeyMissing
    return key


def partial_offered(problem: Refusal | None, asked: Mapping[str, int]) -> bool:
    """Say whether some of a refused basket may be had: some units, or some other SKU of it."""
    if not isinstance(problem, OutOfStock):
        return False
    return len(asked) > 1 or problem.fields.get("available", 0) > 0
