"""How the staff console writes figures and counts, and names the fields that they stand in.

In a list a column of figures is aligned to the right, each with as many places as its column or its
instrument has; under the pointer a rounded one shows all of its digits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.contrib import admin
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString

from market.kernel.amounts import EXACT, percent

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


def aligned(text: str, exact: str = "") -> SafeString:
    """Set digits in equal widths, so that the figures of a column line up.

    ``exact`` shows under the pointer, where ``text`` says less.
    """
    hint = format_html(' title="{}"', exact) if exact and exact != text else ""
    return format_html(
        '<span class="whitespace-nowrap" style="font-variant-numeric: tabular-nums"{}>{}</span>',
        hint,
        text,
    )


def fixed(value: Decimal, places: int) -> str:
    """Write a decimal with so many places; what is too small to show says so."""
    smallest = Decimal(1).scaleb(-places)
    shown = value.quantize(smallest, context=EXACT)
    if value and not shown:
        return f"{'−' if value < 0 else ''}<{smallest:f}"
    return written(shown)


def cents(value: Decimal | None) -> SafeString | str:
    """Write a USDT amount with two places, all of them under the pointer."""
    return NOTHING if value is None else aligned(fixed(value, 2), money(value))


def gain(value: Decimal) -> SafeString:
    """Write a gain or a loss in USDT with two places, its sign and its colour."""
    if value == 0:
        return aligned(fixed(abs(value), 2))
    colour, sign = (GAIN, "+") if value > 0 else (LOSS, "")
    return format_html(
        '<span class="{}">{}</span>', colour, aligned(f"{sign}{fixed(value, 2)}", money(value))
    )


def stepped(value: Decimal | None, step: Decimal | None) -> SafeString | str:
    """Write a price or a size with the places of its step; without one, those that it needs."""
    if value is None or step is None:
        return aligned(grouped(value))
    exponent = step.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return aligned(fixed(value, max(-exponent, 0)), grouped(value))


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number of things: ``1 order``, ``2 orders``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


#: Words of fields' names that people write otherwise.
WORDS: Final = {
    "pnl": "P&L",
    "realized": "realised",
    "unrealized": "unrealised",
    "id": "ID",
    "kpi": "KPI",
    "usdt": "USDT",
    "api": "API",
    "p50": "p50",
    "p95": "p95",
    "ip": "IP",
}


def titled(field: str) -> str:
    """Return a field's name as people read it: ``Realised P&L`` of ``realized_pnl``."""
    words = " ".join(WORDS.get(word, word) for word in field.replace("__", "_").split("_"))
    return words[:1].upper() + words[1:]


def tidied(contents: str) -> str:
    """Rewrite a decimal that a form shows with all of its places; leave other text alone."""
    try:
        return grouped(Decimal(contents))
    except InvalidOperation:
        return contents


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a record's page, as a card; ``exact`` has all of its digits."""

    title: str
    value: str
    exact: str = ""
    unit: str = "USDT"


def amount(title: str, value: Decimal | None) -> Figure:
    """Return the card of an amount in USDT."""
    return Figure(title, cents(value), money(value))


def gained(title: str, value: Decimal) -> Figure:
    """Return the card of a gain or a loss in USDT."""
    return Figure(title, gain(value), money(value))


def ratio(title: str, value: Decimal | None, unit: str = "", places: int = 4) -> Figure:
    """Return the card of a ratio."""
    shown = NOTHING if value is None else fixed(value, places)
    return Figure(title, shown, grouped(value), unit if value is not None else "")


Column = Callable[[Any], str]


def money_column(field: str, title: str = "") -> Column:
    """Return a list column of a field in USDT."""
    return column(field, title, cents, is_figure=True)


def signed_column(field: str, title: str = "") -> Column:
    """Return a list column of a gain or loss in USDT."""
    return column(field, title, gain, is_figure=True)


def plain_column(field: str, title: str = "") -> Column:
    """Return a list column of a figure with the places that it needs."""
    return column(field, title, lambda value: aligned(grouped(value)), is_figure=True)


def ratio_column(field: str, title: str = "") -> Column:
    """Return a list column of a ratio, with four places."""
    write = lambda value: aligned(fixed(value, 4), grouped(value))  # noqa: E731
    return column(field, title, write, is_figure=True)


def percent_column(field: str, title: str = "") -> Column:
    """Return a list column of a share, in percent."""
    return column(field, title, lambda value: aligned(percent(value)), is_figure=True)


def count_column(field: str, title: str = "", unit: str = "") -> Column:
    """Return a list column of a whole number; ``unit`` follows it without a space."""
    return column(field, title, lambda value: aligned(f"{value:,}{unit}"), is_figure=True)


def price_column(field: str, title: str = "") -> Column:
    """Return a list column of a price, with the places of its instrument's tick size."""
    return step_column(field, title, "tick_size")


def size_column(field: str, title: str = "") -> Column:
    """Return a list column of a size, with the places of its instrument's lot size."""
    return step_column(field, title, "lot_size")


def step_column(field: str, title: str, step: str) -> Column:
    """Return a list column of a multiple of a step of the row's instrument, or of the row's own."""

    def write(row: Any) -> str:
        instrument = getattr(row, "instrument", row)
        return stepped(value_of(row, field), getattr(instrument, step, None))

    return computed_column(title or titled(field), write)


def computed_column(title: str, write: Callable[[Any], str], ordering: str = "") -> Column:
    """Return a list column of a figure that is worked out of a row."""

    @admin.display(description=title, ordering=ordering or None)
    def figure(row: Model) -> str:
        return write(row)

    return figure


def time_column(field: str, title: str = "") -> Column:
    """Return a list column of a time, to the second, in UTC."""
    return column(field, title, lambda value: aligned(f"{value:%Y-%m-%d %H:%M:%S}"))


def column(
    field: str, title: str, write: Callable[[Any], str], *, is_figure: bool = False
) -> Column:
    """Return a list column that shows a field, of a related row where so named, as written."""

    @admin.display(description=title or titled(field), ordering=field)
    def show(row: Model) -> str:
        value = value_of(row, field)
        return NOTHING if value is None else write(value)

    if is_figure:
        show.__name__ = "figure"  # the class of its cells, which align it
    return show


def value_of(row: Any, field: str) -> Any:
    """Return a field of a row, or of a related one: ``instrument__mark_price``."""
    for name in field.split("__"):
        row = None if row is None else getattr(row, name)
    return row


def label_column(field: str, labels: dict[str, str], title: str = "") -> Column:
    """Return a list column of a choice as a coloured label; ``labels`` maps values to variants.

    A variant is one of default, info, success, warning and danger.
    """

    @admin.display(description=title or titled(field), ordering=field)
    def show(row: Model) -> str:
        return str(getattr(row, field))

    show.label = labels  # type: ignore[attr-defined]
    return show
