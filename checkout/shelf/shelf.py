"""What the page of the checkout shows of the goods. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from checkout.shelf.form import Sought
from inventory.catalogue import Product, Sku
from inventory.kit.doors.decoding import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Variants that stand below the name of their product; `more` says that it has others."""

    product: str
    name: str
    skus: Sequence[Sku]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A page of the goods.

    came_for: the product of the SKU that the ticket named, that SKU first; None where it named none
    or the page shows something that was asked for.
    chosen: what is chosen already and stands nowhere else on the page.
    groups: the goods, product by product; a SKU stands on a page once.
    next: the page after this one, None for the last.
    """

    page: Sought
    came_for: Group | None
    chosen: Sequence[Group]
    groups: Sequence[Group]
    next: Sought | None

    @property
    def skus(self) -> list[Sku]:
        """Return all SKUs of the page."""
        first = [self.came_for] if self.came_for else []
        return [sku for group in (*first, *self.chosen, *self.groups) for sku in group.skus]

    @property
    def sells(self) -> bool:
        """Say whether the room sells anything, as far as this page can tell."""
        return bool(self.skus) or not self.page.is_first

    @property
    def searchable(self) -> bool:
        """Say whether a search helps: not all goods stand on this page."""
        cut = any(group.more for group in self.groups)
        return bool(self.next) or cut or not self.page.is_first

    def body(self) -> Json:
        """Return it for the template."""
        return {
            "search": self.page.search,
            "is_first": self.page.is_first,
            "query": self.page.query(),
            "came_for": self.came_for and group_body(self.came_for),
            "chosen": [group_body(group) for group in self.chosen],
            "groups": [group_body(group) for group in self.groups],
            "next": self.next and self.next.query(),
            "searchable": self.searchable,
            "currency": next((sku.currency for sku in self.skus), "EUR"),
        }


def group_body(group: Group) -> Json:
    return {
        "product": group.product,
        "name": group.name,
        "more": group.more,
        "skus": [{**sku.public_body(), "set_aside": sku.set_aside} for sku in group.skus],
    }


def groups_of(products: Iterable[Product], *, without: Collection[str]) -> list[Group]:
    """Return products as groups, without the SKUs that stand on the page already."""
    groups = [
        Group(
            product=product.product,
            name=product.name,
            skus=[sku for sku in product.variants if sku.sku not in without],
            more=product.next is not None,
        )
        for product in products
    ]
    return [group for group in groups if group.skus or group.more]


def grouped(skus: Iterable[Sku], *, without: Collection[str] = ()) -> list[Group]:
    """Return SKUs below their products, in the order in which they come."""
    found: dict[str, list[Sku]] = {}
    for sku in skus:
        if sku.sku not in without:
            found.setdefault(sku.product, []).append(sku)
    return [
        Group(product=product, name=variants[0].product_name, skus=variants)
        for product, variants in found.items()
    ]


def may_be_held(sku: Sku) -> bool:
    """Say whether a shopper who was called may get a unit now."""
    return sku.on_sale and (sku.available > 0 or sku.set_aside > 0)


def preselected(shelf: Shelf, asked: Mapping[str, int]) -> Mapping[str, int]:
    """Return the quantities that the page opens with: what was asked for, or one of the choice."""
    if asked or shelf.came_for is None:
        return asked
    wanted = shelf.came_for.skus[0]
    return {wanted.sku: 1} if may_be_held(wanted) else {}
