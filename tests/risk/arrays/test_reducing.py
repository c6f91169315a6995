"""What the arrays close of one account's positions stops where the exchange does."""

from decimal import Decimal

from risk.arrays.maintenance import requirements
from risk.arrays.reducing import Position, Progress
from risk.arrays.rules import Rules
from risk.arrays.units import UNITS
from risk.policy import PRESETS, policy_from
from tests.each import each

D = Decimal
#: 100 lots of 0.1, held at 100 USDT with a margin of 100 a unit, marked at 80.
LOTS, COST, MARGIN, VALUE = 100, 1_000 * UNITS, 1_000 * UNITS, 8 * UNITS


@each(("least", "closed"), [(568 * UNITS, 29), (568 * UNITS + 1, 100)])
def test_a_rest_too_small_to_trade_closes_with_it(least: int, closed: int) -> None:
    """450 of equity: at 1.25 × 0.5 of what is left 720 may stay; 71 lots are worth 568."""
    asked = {
        "liquidation_mode": "partial",
        "liquidation_threshold": D("0.5"),
        "close_out_target": D("1.25"),
        "close_out_share": D(1),
        "liquidation_fee_rate": D(0),
    }
    rules = Rules.of(policy_from(asked, base=PRESETS["none"]))
    by = requirements(rules.requirement, ("LOSER",))
    begun = Progress(by, balance=650 * UNITS, equity=450 * UNITS, margin=MARGIN)
    done = begun.reduce(rules, [Position(0, LOTS, COST, MARGIN, VALUE, least)])
    assert done is not None
    [part] = done.parts
    assert (part.closed, part.lots) == (closed, LOTS - closed)
