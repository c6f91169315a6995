"""How the staff console writes figures: thousands apart, no trailing zeros, signs and colours."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.contrib import admin
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString

from market.kernel.amounts import EXACT

NOTHING: Final = "–"
FEWEST_PLACES: Final = Decimal("0.01")
GAIN: Final = "text-green-700 dark:text-green-400"
LOSS: Final = "text-red-700 dark:text-red-400"


def grouped(value: Decimal | None) -> str:
    """Write a decimal without trailing zeros: ``1,300`` and ``0.00001``."""
    return NOTHING if value is None else written(value.normalize(EXACT))


def money(value: Decimal | None) -> str:
    """Write a USDT amount with the places that it needs, two at least: ``1,300.00``."""
    if value is None:
        return NOTHING
    shortest = value.normalize(EXACT)
    exponent = shortest.as_tuple().exponent
    if isinstance(exponent, int) and exponent > -2:
        shortest = value.quantize(FEWEST_PLACES, context=EXACT)
    return written(shortest)


def rounded(value: Decimal) -> str:
    """Write a USDT amount as an overview needs it: cents below 10,000, whole units above."""
    places = FEWEST_PLACES if abs(value) < 10_000 else Decimal(1)
    return written(value.quantize(places, context=EXACT))


def written(value: Decimal) -> str:
    """Write all digits of a decimal, thousands apart, with a typographic minus."""
    sign = "−" if value < 0 else ""
    return f"{sign}{abs(value):,f}"


def signed(value: Decimal) -> SafeString:
    """Write a gain or a loss in USDT with its sign, green or red; zero without either."""
    if value == 0:
        return aligned(money(abs(value)))
    colour, sign = (GAIN, "+") if value > 0 else (LOSS, "")
    return format_html('<span class="{}">{}{}</span>', colour, sign, aligned(money(value)))


def aligned(text: str) -> SafeString:
    """Set digits in equal widths, so that the figures of a column line up."""
    return format_html(
        '<span class="whitespace-nowrap" style="font-variant-numeric: tabular-nums">{}</span>', text
    )


def tidied(contents: str) -> str:
    """Rewrite a decimal that a form shows with all of its places; leave other text alone."""
    try:
        return grouped(Decimal(contents))
    except InvalidOperation:
        return contents


Column = Callable[[Any], str]


def money_column(field: str, title: str = "") -> Column:
    """Return a list column of a field in USDT."""
    return column(field, title, lambda value: aligned(money(value)))


def signed_column(field: str, title: str = "") -> Column:
    """Return a list column of a gain or loss in USDT."""
    return column(field, title, signed)


def plain_column(field: str, title: str = "") -> Column:
    """Return a list column of a price, a size, a rate or a ratio."""
    return column(field, title, lambda value: aligned(grouped(value)))


def time_column(field: str, title: str = "") -> Column:
    """Return a list column of a time, to the second, in UTC."""
    return column(field, title, lambda value: aligned(f"{value:%Y-%m-%d %H:%M:%S}"))


def column(field: str, title: str, write: Callable[[Any], str]) -> Column:
    """Return a list column that shows a field, of a related row where so named, as written."""

    @admin.display(description=title or field.replace("_", " "), ordering=field)
    def show(row: Model) -> str:
        value: Any = row
        for name in field.split("__"):
            value = getattr(value, name)
        return NOTHING if value is None else write(value)

    return show


def label_column(field: str, labels: dict[str, str], title: str = "") -> Column:
    """Return a list column of a choice as a coloured label; ``labels`` maps values to variants.

    A variant is one of default, info, success, warning and danger.
    """

    @admin.display(description=title or field.replace("_", " "), ordering=field)
    def show(row: Model) -> str:
        return str(getattr(row, field))

    show.label = labels  # type: ignore[attr-defined]
    return show
