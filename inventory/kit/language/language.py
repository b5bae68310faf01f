"""One language, and how it says and writes things. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

_PLACE = re.compile(r"\{([a-z_]+)\}")
# First strong isolate, and pop directional isolate: a value keeps its own direction between them.
_ISOLATED = "\u2068{}\u2069"
# A page writes the same few figures again and again.
WRITTEN_CACHE_MAX = 4096
SECONDS_SPELLED_MAX = 100
# A smaller share than this is not written to its digits.
SHARE_LEAST = 0.001
# In a longer time the seconds are of no use.
MINUTES_WITH_SECONDS_MAX = 10


def phrase(text: str) -> str:
    """Mark a sentence for the catalogues that is said elsewhere, and return it as it is."""
    return text


_SERIES = phrase("{first}; {second}")


def places_of(text: str) -> list[str]:
    """Return the names of the places in a sentence that values take."""
    return sorted(_PLACE.findall(text))


def fill(
    text: str, values: Mapping[str, str | int], write: Callable[[str | int], str] = str
) -> str:
    """Put values into a sentence: `{number}` takes the value of that name, if there is one."""
    return _PLACE.sub(
        lambda found: write(values[found[1]]) if found[1] in values else found[0], text
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Language:
    """A language that pages can be in.

    `tag` is its BCP 47 tag, `name` its name in itself. `sentences` has the translations of each
    English sentence, one for each of its plural forms; English has none. `plurals` are the CLDR's
    categories in the order of these forms, by which browsers choose too.
    """

    tag: str
    name: str
    locale: Locale
    sentences: Mapping[str, tuple[str, ...]]
    plurals: tuple[str, ...]

    @property
    def direction(self) -> str:
        return str(self.locale.text_direction)

    def say(self, text: str, /, **values: str | int) -> str:
        """Say an English sentence in this language, with values in its places."""
        said = self.sentences.get(text, (text,))[0]
        return fill(said, values, self._write) if values else said

    def say_n(self, count: int, one: str, many: str, /, **values: str | int) -> str:
        """Say the form of a sentence that fits a number; `{n}` in it is the number."""
        return fill(self._form(count, one, many), {"n": count, **values}, self._write)

    def markup(self, text: str, /, **values: str | int) -> Markup:
        """Say a sentence as HTML: all is escaped but values that are `Markup`."""
        said = self.sentences.get(text, (text,))[0]
        return self._filled(said, values)

    def markup_n(self, count: int, one: str, many: str, /, **values: str | int) -> Markup:
        """Say as HTML the form of a sentence that fits a number."""
        return self._filled(self._form(count, one, many), {"n": count, **values})

    def _form(self, count: int, one: str, many: str) -> str:
        forms = self.sentences.get(one)
        if forms is None:
            return one if count == 1 else many
        category = self.locale.plural_form(count)
        return forms[self.plurals.index(category) if category in self.plurals else -1]

    def _filled(self, said: str, values: Mapping[str, str | int]) -> Markup:
        if not values:
            return _escaped(said)

        def write(value: str | int) -> str:
            return value if isinstance(value, Markup) else Markup.escape(self._write(value))

        # Quotation marks and angle brackets are escaped, and braces are not.
        return Markup(fill(_escaped(said), values, write))  # noqa: S704 - escaped above

    def _write(self, value: str | int) -> str:
        text = self.number(value) if isinstance(value, int) else str(value)
        return _ISOLATED.format(text) if self.direction == "rtl" else text

    def series(self, parts: Iterable[str]) -> str:
        """Write parts in a row, with a semicolon as this language writes it between them."""
        pattern = self.sentences.get(_SERIES, (_SERIES,))[0]
        return pattern.removeprefix("{first}").removesuffix("{second}").join(parts)

    def number(self, value: int) -> str:
        """Write a whole number with the digits 0 to 9, which tickets and scripts use too."""
        return _number(value, self)

    def decimal(self, value: float) -> str:
        """Write a number with two decimals at most."""
        pattern = self.locale.decimal_formats[None]
        return str(pattern.apply(round(value, 2), self.locale, numbering_system="latn"))

    def percent(self, share: float) -> str:
        """Write a share in percent, to a tenth: 33.3%."""
        if 0 < share < SHARE_LEAST:
            return self.say("under {share}", share=_percent(SHARE_LEAST, self))
        return _percent(share, self)

    def duration(self, seconds: int) -> str:
        """Write a time as people say it, never longer than it is."""
        minutes, rest = divmod(seconds, 60)
        if seconds < SECONDS_SPELLED_MAX and seconds != 60:
            return self.say_n(seconds, "{n} second", "{n} seconds")
        if rest and minutes < MINUTES_WITH_SECONDS_MAX:
            return self.say("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
        return self.say_n(minutes, "{n} minute", "{n} minutes")

    def clock(self, moment: str) -> str:
        """Write the time of day of an ISO moment in UTC: 14:05 UTC."""
        return f"{_time(moment, 'Hm', self)} UTC"

    def clock_s(self, moment: str) -> str:
        """Write the time of day with its seconds: 14:05:09 UTC."""
        return f"{_time(moment, 'Hms', self)} UTC"

    def day(self, moment: str) -> str:
        """Write the day of an ISO moment in UTC."""
        return _day(moment, self)

    def moment(self, moment: str) -> str:
        """Write day and time of an ISO moment in UTC."""
        return f"{self.day(moment)}, {self.clock(moment)}"


# A page says the same sentences to everybody.
@lru_cache(maxsize=WRITTEN_CACHE_MAX)
def _escaped(said: str) -> Markup:
    return Markup.escape(said)


def _utc(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)


@lru_cache(maxsize=WRITTEN_CACHE_MAX)
def _number(value: int, language: Language) -> str:
    return format_decimal(value, locale=language.locale, numbering_system="latn")


@lru_cache(maxsize=WRITTEN_CACHE_MAX)
def _percent(share: float, language: Language) -> str:
    pattern = language.locale.percent_formats[None].pattern.replace("##0", "##0.#")
    return format_percent(share, pattern, language.locale, numbering_system="latn")


@lru_cache(maxsize=WRITTEN_CACHE_MAX)
def _time(moment: str, skeleton: str, language: Language) -> str:
    pattern = language.locale.datetime_skeletons[skeleton]
    return str(pattern.apply(_utc(moment), language.locale))


@lru_cache(maxsize=WRITTEN_CACHE_MAX)
def _day(moment: str, language: Language) -> str:
    return format_date(_utc(moment), format="medium", locale=language.locale)
