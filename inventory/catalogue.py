"""The catalogue's values: SKUs, products, and what may be said of them. Pure."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, TypedDict

import msgspec
from msgspec import UNSET, Meta, UnsetType

from inventory.kit.doors.decoding import Json, grammar
from inventory.kit.doors.moments import Moment
from inventory.kit.doors.texts import Description, Name, Note, OptionalName
from inventory.money import AMOUNT_MAX
from inventory.pictures.picture import NAME

# The name of a room in addresses and tokens, as the constraint `room_is_a_slug`.
ROOM = "[a-z0-9][a-z0-9-]{0,62}"
CODE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z"
_CODE = re.compile(CODE)
CURRENCY = r"^[A-Z]{3}\Z"
# Pages show pictures of their own site alone, from no folder but the one that is named.
PICTURE = rf"^(/static(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+|/pictures/{NAME})?\Z"
PICTURE_LENGTH_MAX = 500
LIMIT_MAX = 10_000_000
LIMIT_PER_SESSION = 4

Code = Annotated[
    str,
    grammar(
        CODE,
        "It has 1 to 63 letters, digits, dots, hyphens and underscores, a letter or digit first",
    ),
]
Picture = Annotated[
    str,
    grammar(
        PICTURE,
        "It is empty, the address of an uploaded picture, or the path of a file under /static/, in "
        "letters, digits, dots, hyphens, underscores and slashes, no part of it with a dot first",
        length_max=PICTURE_LENGTH_MAX,
    ),
]
Price = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[
    str, grammar(CURRENCY, "It is the code of a currency in three capital letters, such as EUR")
]
Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
Units = Annotated[int, Meta(ge=0, le=LIMIT_MAX)]


def is_code(text: str) -> bool:
    """Say whether a text has the form of the code of a SKU or a product."""
    return _CODE.match(text) is not None


class NewProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A product to add; `seller` is the name of the operator whose it is, for operators to say."""

    product: Code
    name: Name
    description: Description = ""
    picture: Picture = ""
    seller: str | None = None


class ProductFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    picture: Picture | UnsetType = UNSET


class ProductChange(ProductFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any of a product's fields; `was` has fields as its author saw them.

    A change whose author saw other values than those that stand is refused.
    """

    seller: str | None | UnsetType = UNSET
    was: ProductFields | UnsetType = UNSET
    reason: Note = ""


class NewSku(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A SKU to add. Without a name it is called as its product and its variant are."""

    sku: Code
    product: Code | None = None
    name: OptionalName = ""
    variant: OptionalName = ""
    description: Description = ""
    picture: Picture = ""
    price_minor: Price
    currency: Currency | None = None
    limit_per_order: Limit | None = None
    limit_per_session: Limit = LIMIT_PER_SESSION
    limit_per_customer: Limit | None = None
    on_sale_from: Moment | None = None
    on_sale_until: Moment | None = None
    low_at: Units = 0


class SkuFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any of a SKU's fields; `null` is no limit, or no bound of the sale."""

    name: OptionalName | UnsetType = UNSET
    variant: OptionalName | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    picture: Picture | UnsetType = UNSET
    price_minor: Price | UnsetType = UNSET
    limit_per_order: Limit | None | UnsetType = UNSET
    limit_per_session: Limit | UnsetType = UNSET
    limit_per_customer: Limit | None | UnsetType = UNSET
    on_sale_from: Moment | None | UnsetType = UNSET
    on_sale_until: Moment | None | UnsetType = UNSET
    low_at: Units | UnsetType = UNSET


class SkuChange(SkuFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of any of a SKU's fields; `null` lifts a limit and opens a bound of the sale.

    `on_sale` takes a SKU off sale, or puts it on sale, at the moment of the change: the database's
    clock decides when that is. It moves the bounds that stand against it. `was` has fields as the
    author of the change saw them: if other values stand, a colleague was faster, and the change is
    refused.
    """

    on_sale: bool | UnsetType = UNSET
    was: SkuFields | UnsetType = UNSET
    reason: Note = ""

    def __post_init__(self) -> None:
        bounded = self.on_sale_from is not UNSET or self.on_sale_until is not UNSET
        if self.on_sale is not UNSET and bounded:
            raise ValueError("`on_sale` moves the times of sale, so it stands without them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sku:
    """A SKU as the tables have it.

    Its own `description` and `picture` are shown, or its product's where they are empty.
    `price_minor` is in minor units of `currency`, tax included. A limit is a number of units, and
    None is no limit. A sale without `on_sale_from` has begun, one without `on_sale_until` never
    ends; `on_sale` says whether it is on now. `low_at` is the number of available units at which
    stock counts as low. `available` is on hand - promised - held - sold, in units as they are.
    """

    sku: str
    product: str
    product_name: str
    room: str
    name: str
    variant: str
    description: str
    picture: str
    product_description: str
    product_picture: str
    price_minor: int
    currency: str
    limit_per_order: int | None
    limit_per_session: int
    limit_per_customer: int | None
    on_sale_from: datetime | None
    on_sale_until: datetime | None
    on_sale: bool
    low_at: int
    on_hand: int
    held: int
    sold: int
    available: int

    @property
    def set_aside(self) -> int:
        """Return the units in no basket that are not free, but for shoppers who were called."""
        return 0 if self.available else max(self.on_hand - self.held - self.sold, 0)

    def public_body(self) -> "SkuBody":
        """Return what anyone may know of it, with the texts that are shown."""
        return {
            "sku": self.sku,
            "product": self.product,
            "product_name": self.product_name,
            "room": self.room,
            "name": self.name,
            "variant": self.variant,
            "description": self.description or self.product_description,
            "picture": self.picture or self.product_picture,
            "price_minor": self.price_minor,
            "currency": self.currency,
            "limit_per_order": self.limit_per_order,
            "limit_per_session": self.limit_per_session,
            "limit_per_customer": self.limit_per_customer,
            "on_sale_from": self.on_sale_from,
            "on_sale_until": self.on_sale_until,
            "on_sale": self.on_sale,
            "held": self.held,
            "sold": self.sold,
            "available": self.available,
        }

    def private_body(self) -> "OperatorSku":
        """Return what its seller and the operators know of it, with its own texts."""
        return {
            **self.public_body(),
            "description": self.description,
            "picture": self.picture,
            "low_at": self.low_at,
            "on_hand": self.on_hand,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SkuChanged:
    """One change of a SKU on record.

    `change_id` grows with every change. `what` is added, changed or deleted. `changes` has, for
    each field that differs, what it was and what it is; an import puts the units that it received
    under `receive`.
    """

    change_id: int
    at: datetime
    what: str
    changes: Json
    who: str
    reason: str


class SkuBody(TypedDict):
    """A SKU as anyone may know it, with the texts that are shown."""

    sku: str
    product: str
    product_name: str
    room: str
    name: str
    variant: str
    description: str
    # The address of a picture on this site, "" for none.
    picture: str
    # In minor units of the currency, tax included.
    price_minor: int
    currency: str
    # Units; null is no limit.
    limit_per_order: int | None
    limit_per_session: int
    limit_per_customer: int | None
    # A sale without a beginning has begun, and one without an end goes on.
    on_sale_from: datetime | None
    on_sale_until: datetime | None
    # Whether the sale is on now.
    on_sale: bool
    held: int
    sold: int
    # Units that can be held now: on hand - promised - held - sold.
    available: int


class OperatorSku(SkuBody):
    """A SKU as its seller and the operators know it, with its own texts."""

    # Stock counts as low from this number of available units on.
    low_at: int
    on_hand: int


class SkuList(TypedDict):
    """A page of SKUs; `next` is the cursor of the page after it, null at the end."""

    skus: list[SkuBody]
    next: str | None


class OperatorSkuList(TypedDict):
    """A page of SKUs for operators; `next` is the cursor of the page after it, null at the end."""

    skus: list[OperatorSku]
    next: str | None


class ProductBody(TypedDict):
    """A product as anyone may know it; if its SKUs are many, `next` is the cursor to go on at."""

    product: str
    room: str
    name: str
    description: str
    picture: str
    variants: list[SkuBody]
    next: str | None


class OperatorProduct(TypedDict):
    """A product as its seller and the operators know it."""

    product: str
    room: str
    name: str
    description: str
    picture: str
    variants: list[OperatorSku]
    next: str | None
    # The operator whose it is; null for the shop's own.
    seller: str | None


class ProductList(TypedDict):
    """A page of products; `next` is the cursor of the page after it, null at the end."""

    products: list[ProductBody]
    next: str | None


class OperatorProductList(TypedDict):
    """A page of products for operators; `next` is the cursor of the page after it."""

    products: list[OperatorProduct]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product with its SKUs; if they are many, `next` is the cursor to go on with at `skus`."""

    product: str
    room: str
    seller: str | None
    name: str
    description: str
    picture: str
    variants: list[Sku] = field(default_factory=list)
    next: str | None = None

    def public_body(self) -> ProductBody:
        return {
            "product": self.product,
            "room": self.room,
            "name": self.name,
            "description": self.description,
            "picture": self.picture,
            "variants": [sku.public_body() for sku in self.variants],
            "next": self.next,
        }

    def private_body(self) -> OperatorProduct:
        return {
            "product": self.product,
            "room": self.room,
            "name": self.name,
            "description": self.description,
            "picture": self.picture,
            "variants": [sku.private_body() for sku in self.variants],
            "next": self.next,
            "seller": self.seller,
        }
