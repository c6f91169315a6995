"""What the leverage page shows, as charts each with the table of its numbers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from accounts.models import Tier
from kpi.leverage.cascade import Cascade, Group, Level
from kpi.leverage.levels import MOST_ROWS, Bar, Levels, TierFigures
from market.kernel.console.figures import FEWEST_PLACES, NOTHING, grouped, written
from market.kernel.console.panels import Panel

#: So many changes of the fund are listed, the latest first.
MOST_CHANGES: Final = 100
COUNTED_WHEN: Final = "they are once a minute, later while a check runs"


def panels_of(levels: Levels | None, window: str) -> Iterable[Panel]:
    """Return the panels of what stands and of what happened by tier."""
    if levels is not None:
        yield interest_panel(levels)
        yield tier_panel(levels, window)


def interest_panel(levels: Levels) -> Panel:
    total = sum((bar.total for bar in levels.bars), Decimal())
    shown = levels.bars if total else ()
    return Panel(
        "interest",
        "Open interest by effective leverage",
        "USDT at the marks",
        "Effective leverage is the notional of an account’s positions ÷ its equity. An account "
        "whose equity is not above 0 has none.",
        ("Leverage", "Accounts", "Notional, USDT", "Share"),
        [(span(bar), f"{bar.accounts:,}", cents(bar.total), of(bar.total, total)) for bar in shown],
        empty="Nobody holds a position: place an order through the API.",
        chart={
            "kind": "bars",
            "labels": [span(bar) for bar in shown],
            "sets": [
                {
                    "label": tier.label,
                    "values": [float(bar.notional.get(tier.value, 0)) for bar in shown],
                }
                for tier in Tier
            ],
        },
    )


def span(bar: Bar) -> str:
    if bar.low is None:
        return "no equity"
    return f"{bar.low}x and more" if bar.high is None else f"{bar.low}x to {bar.high}x"


def tier_panel(levels: Levels, window: str) -> Panel:
    cut = "".join(
        f" Only the latest {MOST_ROWS:,} {title} were looked at, since {at:%Y-%m-%d %H:%M:%S} UTC."
        for title, at in levels.cut.items()
    )
    return Panel(
        "tiers",
        "By tier",
        f"USDT; orders and close-outs of the last {window}",
        "The tiers that the accounts have now. Refused: of the orders that clients sent. Closed "
        f"out: of the tier’s accounts, each counted once. {counted(levels)}{cut}",
        (
            *("Tier", "Accounts", "With positions", "Exposure", "Leverage", "Unrealised P&L"),
            *("Realised P&L", "Orders", "Refused", "Closed out"),
        ),
        [(Tier(tier).label, *tier_row(own)) for tier, own in levels.tiers.items()],
        empty="There is no tier.",
    )


def counted(levels: Levels) -> str:
    """Say how old the count of the accounts is."""
    if levels.counted_at is None:
        return f"Accounts and their exposure are not counted yet: {COUNTED_WHEN}."
    age = timezone.now() - levels.counted_at
    return (
        "Accounts and their exposure, positions and open orders, were counted "
        f"{max(int(age.total_seconds()), 0):,} s ago: {COUNTED_WHEN}."
    )


def tier_row(own: TierFigures) -> Sequence[str]:
    levered = f"{own.notional / own.equity:,.2f}x" if own.notional and own.equity > 0 else NOTHING
    return (
        NOTHING if own.accounts is None else f"{own.accounts:,}",
        f"{own.holders:,}",
        NOTHING if own.exposure is None else cents(own.exposure),
        levered,
        cents(own.unrealized_pnl),
        cents(own.realized_pnl),
        f"{own.orders:,}",
        of(own.refused, own.orders),
        of(own.closed_out, own.accounts),
    )


def cascade_panels(cascade: Cascade) -> Iterable[Panel]:
    """Return the price with the close-outs, then the fund and the bad debt below it."""
    symbol = cascade.instrument.symbol
    cut = f" Of more close-outs than {MOST_ROWS:,}, the latest." if cascade.cut else ""
    yield Panel(
        "cascade",
        f"Close-outs of {symbol}",
        f"price in USDT over the last {cascade.window}",
        "A dot is what was closed out of one side in a group of time, at its mean price; its area "
        f"follows the notional.{cut}",
        ("Time, UTC", "Closed", "Accounts", "Price", "Notional, USDT", "Fund paid", "Bad debt"),
        [group_row(one) for one in reversed(cascade.groups)],
        empty=f"Nothing of {symbol} was closed out in this window.",
        chart={
            "kind": "cascade",
            **frame(cascade),
            "price": [(ms(at), float(price)) for at, price in cascade.prices],
            "dots": [
                {"label": label, "points": dots(cascade.groups, is_long=is_long)}
                for label, is_long in (("Longs closed out", True), ("Shorts closed out", False))
            ],
        },
    )
    yield Panel(
        "fund",
        "Insurance fund and bad debt",
        "USDT, of all instruments",
        "As the KPI snapshots kept them, and as they are now. Listed where they changed, the "
        f"latest {MOST_CHANGES} at most.",
        ("Time, UTC", "Insurance fund", "Bad debt"),
        [
            (clock(one.at), cents(one.fund), cents(one.bad_debt))
            for one in changes_of(cascade.levels)[-MOST_CHANGES:][::-1]
        ],
        chart={
            "kind": "time",
            **frame(cascade),
            "lines": [
                line("Insurance fund", cascade.levels, lambda one: one.fund),
                line("Bad debt", cascade.levels, lambda one: one.bad_debt),
            ],
        },
    )


def group_row(one: Group) -> Sequence[str]:
    return (
        clock(one.at),
        "longs" if one.is_long else "shorts",
        f"{one.accounts:,}",
        grouped(one.price),
        cents(one.notional),
        cents(one.insurance_paid),
        cents(one.bad_debt),
    )


def dots(groups: Sequence[Group], *, is_long: bool) -> list[tuple[int, float, float]]:
    """Return (time, price, notional) of each group of a side."""
    return [
        (ms(one.at), float(one.price), float(one.notional))
        for one in groups
        if one.is_long is is_long
    ]


def changes_of(levels: Sequence[Level]) -> list[Level]:
    """Return the first level, and each that differs from the one before it."""
    before = (None, *levels)
    return [
        one
        for last, one in zip(before, levels, strict=False)
        if last is None or (last.fund, last.bad_debt) != (one.fund, one.bad_debt)
    ]


def line(label: str, levels: Sequence[Level], read: Callable[[Level], Decimal]) -> Any:
    return {"label": label, "points": [(ms(one.at), float(read(one))) for one in levels]}


def frame(cascade: Cascade) -> dict[str, int]:
    """Return the axis that the charts of a cascade share."""
    seconds = (cascade.until - cascade.since).total_seconds()
    return {
        "since": ms(cascade.since),
        "until": ms(cascade.until),
        "interval": int(1000 * seconds / max(len(cascade.levels), 1)),
    }


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def cents(value: Decimal) -> str:
    """Write an amount in USDT to the cent, so that the figures of a column line up."""
    return written(value.quantize(FEWEST_PLACES))


def of(part: Decimal | int, whole: Decimal | int | None) -> str:
    """Write a share in percent; nothing of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else NOTHING
