"""Counts what the machine reached, so that a run that reaches little is seen."""

from collections import Counter
from typing import Final

from tests.system.model.reference import Reference

TALLY: Final[Counter[str]] = Counter()


def count_example(model: Reference, steps: int) -> None:
    """Add one finished example to the tally."""
    TALLY["examples"] += 1
    TALLY["steps"] += steps
    TALLY["trades"] += len(model.trades)
    for order in model.orders:
        kind = "close-outs" if order.liquidation else order.status
        TALLY[" ".join(filter(None, (kind, order.code)))] += 1
    TALLY["throttled account"] += model.throttles
    for event in model.liquidations:
        TALLY[f"liquidation {event.mode}"] += 1
        TALLY["liquidation that leaves positions"] += event.margin_after > 0
        reduces = event.mode == "partial" and event.margin_after > 0
        TALLY["liquidation that reduces positions"] += reduces
        TALLY["insurance payment"] += event.insurance_paid > 0
        TALLY["bad debt"] += event.bad_debt > 0
        TALLY["insurance payment and bad debt"] += min(event.insurance_paid, event.bad_debt) > 0


def lines() -> list[str]:
    """Return the tally for the terminal."""
    rest = sorted(
        (name, count) for name, count in TALLY.items() if name not in {"examples", "steps"}
    )
    return [
        f"{TALLY['examples']} examples, {TALLY['steps']} steps",
        ", ".join(f"{name} {count}" for name, count in rest),
    ]
