"""What the forms of the first sale were answered with, read and checked. Pure.

Each reader returns the values, or the sentence to say at each field that cannot be used.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from inventory.catalogue import ROOM
from inventory.kit.doors.decoding import is_whole
from inventory.kit.doors.moments import UnreadableMoment, parse_moment
from inventory.kit.doors.texts import UnfitText, read_name, read_note
from inventory.money import UnreadableAmount, currencies, parse_amount

Form = Mapping[str, str]

CODE_LENGTH_MAX = 40
UNITS_MAX = 1_000_000
LIMIT_MAX = 1_000
SEATS_MAX = 100_000


@dataclass(slots=True)
class Problems:
    """The sentence for each field that cannot be used."""

    at: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.at)

    def read(self, form: Form, name: str, read: Callable[[str], str]) -> str:
        """Return a text, or note why it cannot be one; texts then come back as they were."""
        text = form.get(name, "").strip()
        try:
            return read(text)
        except UnfitText as error:
            self.at[name] = f"It {error}."
            return text

    def whole(self, form: Form, name: str, *, low: int, high: int, default: int) -> int:
        """Return a whole number within bounds; an empty field has the default."""
        text = form.get(name, "").strip()
        if not text:
            return default
        if not is_whole(text) or not low <= int(text[:12]) <= high:
            self.at[name] = f"Type a whole number from {low:,} to {high:,}."
            return default
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAnswer:
    """A room to make: the code in its address, its name, and the currency it sells in."""

    code: str
    name: str
    currency: str
    seats_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductAnswer:
    """A product to sell, in one variant."""

    name: str
    description: str
    price_minor: int
    units: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningAnswer:
    """When a room opens; None is when its operator says so. `draw` is for early arrivals."""

    opens_at: datetime | None
    draw: bool


def code_of(name: str) -> str:
    """Return a name as part of an address: "Été à Paris!" becomes "ete-a-paris"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    code = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:CODE_LENGTH_MAX].strip("-")
    return code or "sale"


def read_room(form: Form) -> tuple[RoomAnswer, Problems]:
    problems = Problems()
    name = problems.read(form, "name", read_name)
    code = form.get("code", "").strip().lower() or code_of(name)
    if not re.fullmatch(ROOM, code):
        problems.at["code"] = "Small letters, digits and hyphens make an address."
    currency = form.get("currency", "").strip().upper()
    if currency not in currencies():
        problems.at["currency"] = "Choose a currency."
    seats = problems.whole(form, "seats", low=1, high=SEATS_MAX, default=20)
    return RoomAnswer(code=code, name=name, currency=currency, seats_max=seats), problems


def read_product(form: Form, currency: str) -> tuple[ProductAnswer, Problems]:
    problems = Problems()
    name = problems.read(form, "name", read_name)
    description = problems.read(form, "description", read_note)
    try:
        price = parse_amount(form.get("price", ""), currency)
    except UnreadableAmount as error:
        price, problems.at["price"] = 0, f"Type {error}."
    if not form.get("units", "").strip():
        problems.at["units"] = "Type how many units there are."
    units = problems.whole(form, "units", low=1, high=UNITS_MAX, default=1)
    limit = problems.whole(form, "limit", low=1, high=LIMIT_MAX, default=2)
    answer = ProductAnswer(
        name=name, description=description, price_minor=price, units=units, limit=limit
    )
    return answer, problems


def read_opening(form: Form, now: datetime) -> tuple[OpeningAnswer, Problems]:
    """Read when to open. Without a script a time is in UTC, and with one it carries its offset."""
    problems = Problems()
    draw = form.get("draw") == "yes"
    if form.get("when") != "later":
        return OpeningAnswer(opens_at=None, draw=False), problems
    text = form.get("moment", "").strip() or form.get("opens_at", "").strip()
    if text and not re.search(r"(Z|[+-]\d\d:\d\d)$", text):
        text = f"{text}Z"
    try:
        opens_at = parse_moment(text).astimezone(UTC)
    except (UnreadableMoment, ValueError):
        problems.at["opens_at"] = "Choose a day and a time."
        return OpeningAnswer(opens_at=None, draw=draw), problems
    if opens_at <= now:
        problems.at["opens_at"] = "This moment is over. Choose one that lies ahead."
    return OpeningAnswer(opens_at=opens_at, draw=draw), problems
