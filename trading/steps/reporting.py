"""What commands print about market steps and close-outs."""

from collections.abc import Collection

from market.kernel.amounts import describe_move, percent, plain
from market.models import Instrument
from trading.models import Liquidation
from trading.steps.step import StepResult


def describe_step(result: StepResult) -> str:
    """Return one line about a step, and one for each close-out."""
    symbols = dict(Instrument.objects.filter(pk__in=result.quotes).values_list("id", "symbol"))
    prices = ", ".join(
        f"{symbols[key]} {plain(quote.price)} ({quote.source})"
        for key, quote in result.quotes.items()
    )
    line = (
        f"Step {result.step}: {prices or 'no price'}; {len(result.ended_orders)} resting order(s) "
        f"ended, {len(result.liquidations)} account(s) liquidated."
    )
    left = describe_unfinished(result.unfinished, result.unmarked)
    rest = [*map(describe_liquidation, result.liquidations), left]
    return "\n".join(filter(None, [line, *describe_leaps(result), *rest]))


def describe_leaps(result: StepResult) -> list[str]:
    """Return a line for each price beyond its collar: those a person set and those refused."""
    warnings = [
        f"Warning: {leap.instrument} goes {describe_move(leap.mark_price, leap.quote.price)}, from "
        f"{plain(leap.mark_price)} to {plain(leap.quote.price)}, beyond its collar of "
        f"{percent(leap.collar)}."
        for leap in result.leaps
    ]
    return warnings + [f"Halted {halt}" for halt in result.halts]


def describe_unfinished(user_ids: Collection[int] = (), unmarked: Collection[str] = ()) -> str:
    """Return the line about instruments that kept their mark and users left out, if any."""
    symbols, users = ", ".join(unmarked), ", ".join(map(str, sorted(user_ids)))
    locked = f"Not set because another session keeps it locked: mark price of {symbols}."
    failed = f"Failed and left to the next step or sweep: user(s) {users}."
    return " ".join([locked] * bool(symbols) + [failed] * bool(users))


def describe_liquidation(liquidation: Liquidation) -> str:
    """Return one line about a close-out, amounts in USDT."""
    ratio, maintenance = liquidation.margin_ratio_before, liquidation.maintenance_before
    required = "" if maintenance is None else f"maintenance {plain(maintenance)}, "
    return (
        f"Liquidation {liquidation.pk} of account {liquidation.account_id}: "
        f"ratio {'none' if ratio is None else plain(ratio)}, "
        f"equity {plain(liquidation.equity_before)}, margin {plain(liquidation.margin_before)}, "
        f"{required}insurance {plain(liquidation.insurance_paid)}, "
        f"bad debt {plain(liquidation.bad_debt)}"
    )
