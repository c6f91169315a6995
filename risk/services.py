"""Writes of the risk app: exposure totals, policy and leverage limits."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction

from market.kernel.reasons import checked_reason
from market.kernel.states import TradingState
from market.kernel.versions import write_configuration
from market.models import Instrument
from risk.maintenance import ladders_of
from risk.models import LeverageLimit, RiskPolicy
from risk.policy import BY_TIER, CHECKS, COLUMNS, Policy, PolicyError

#: Columns whose text has a canonical form.
TEXTS: Final = ("volatility_bands", "maintenance_brackets")

# Locks in the order in which every other writer does: instruments by id, then the total.
SET_MARKS = """
INSERT INTO risk_instrumentexposure
    (instrument_id, mark_price, long_quantity, short_quantity, order_notional)
SELECT instrument_id, mark_price, 0, 0, 0
FROM unnest(%s::bigint[], %s::numeric[]) AS quote (instrument_id, mark_price)
ORDER BY instrument_id
ON CONFLICT (instrument_id) DO UPDATE SET mark_price = excluded.mark_price
"""

LOCK_EXPOSURE = """
SELECT 1 FROM risk_instrumentexposure WHERE instrument_id = ANY(%s)
ORDER BY instrument_id FOR NO KEY UPDATE
"""

REVALUE_TOTAL = """
UPDATE risk_globalexposure SET total = (
    SELECT coalesce(sum((long_quantity + short_quantity) * mark_price + order_notional), 0)
    FROM risk_instrumentexposure
)
"""


def revalue_exposure(*, marks: Mapping[int, Decimal]) -> None:
    """Value open interest at new mark prices (by instrument id) and total it up again.

    Runs in the transaction that changes the marks; locks the exposure rows until it ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(SET_MARKS, [list(marks), list(marks.values())])
        # Waits for orders that are being booked; the sum in the next statement then sees them.
        cursor.execute("SELECT 1 FROM risk_globalexposure WHERE id = 1 FOR UPDATE")
        cursor.execute(REVALUE_TOTAL)


def lock_exposure(*, instrument_ids: Collection[int]) -> None:
    """Hold what is open in instruments as it is until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_EXPOSURE, [list(instrument_ids)])


def set_trading_state(*, state: TradingState, reason: str) -> None:
    """Say what orders may do on the whole exchange; cancels and close-outs always go on.

    HALTED accepts and fills none, REDUCING only what reduces a position. Raises ReasonRequired,
    ReasonTooLong.
    """
    switches = {
        "trading_halted": state == TradingState.HALTED,
        "trading_reducing": state == TradingState.REDUCING,
    }
    change_policy(changes=switches, reason=reason)


def change_policy(*, changes: Mapping[str, Any], reason: str, version: str | None = None) -> None:
    """Change fields of the risk policy, with history; what is as asked for already stays as it is.

    A limit below what is at stake closes nothing: it holds back what would open more. History and
    audit trail keep the ``reason``. Raises PolicyError for bands or brackets that cannot be or are
    of no instrument, ReasonRequired, ReasonTooLong, and StaleVersion as ``lock_row`` does.
    """
    asked = {key: CHECKS[key](key, one) if key in TEXTS else one for key, one in changes.items()}
    check_symbols(asked.get("maintenance_brackets", ""))
    write_configuration(RiskPolicy.objects.get(id=1), asked, checked_reason(reason), version)


def check_symbols(brackets: str) -> None:
    """Raise PolicyError for a ladder of no instrument: its own would be left without one."""
    unknown = set(ladders_of(brackets))
    if unknown:  # most changes are of something else
        unknown -= set(Instrument.objects.values_list("symbol", flat=True))
    if unknown:
        names = ", ".join(sorted(unknown))
        raise PolicyError("maintenance_brackets", f"there is no instrument {names}.")


def change_limits(
    *, limit: LeverageLimit, changes: Mapping[str, Any], reason: str, version: str | None = None
) -> None:
    """Change what binds a tier's new orders, with history.

    History and audit trail keep the ``reason``. What is as asked for already stays as it is. Raises
    as ``change_policy`` does.
    """
    write_configuration(limit, changes, checked_reason(reason), version)


def set_tier_state(*, limit: LeverageLimit, state: TradingState, reason: str) -> None:
    """Say what orders of a tier's users may do, with history.

    HALTED accepts none, and resting ones may only reduce; REDUCING accepts what reduces a position.
    Raises ReasonRequired, ReasonTooLong.
    """
    change_limits(limit=limit, changes={"tier_state": state.value}, reason=reason)


@transaction.atomic
def set_policy(*, policy: Policy, reason: str, origin: str = "") -> None:
    """Put a policy in force, what it says by tier too, with history where something changes.

    Tiers go first, so that the history of the policy's row shows the digest of the whole. History
    and audit trail keep the reason with the policy's ``origin``. Raises PolicyError for brackets of
    no instrument, ReasonRequired, ReasonTooLong.
    """
    check_symbols(policy.maintenance_brackets)
    said = checked_reason(reason) + (f" ({origin})" if origin else "")
    said_of = {name: dict(getattr(policy, name)) for name in BY_TIER}
    for limit in LeverageLimit.objects.order_by("tier"):
        own = {name: by_tier.get(limit.tier) for name, by_tier in said_of.items()}
        own["max_leverage"] = own["max_leverage"] or limit.max_leverage
        own["tier_state"] = own["tier_state"] or TradingState.ACTIVE.value
        write_configuration(limit, own, said)
    values = {name: getattr(policy, name) for name in COLUMNS}
    write_configuration(RiskPolicy.objects.get(id=1), values, said)
