"""What a move of the marks would do: who would be closed out, and who would pay.

The rules are those of ``risk.closing``, account after account as in a sweep. Decimals only, in
USDT; a move is in percent of the mark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market.kernel.amounts import EXACT, ZERO, round_to_multiple
from risk.closing import CloseOut, close_out, cover
from risk.state import AccountState, InstrumentState, Limits


@dataclass(frozen=True, slots=True)
class Closed:
    """An account that would be closed out; ``notional`` is that of all that closes."""

    account_id: int
    out: CloseOut
    notional: Decimal
    insurance_paid: Decimal
    bad_debt: Decimal


@dataclass(frozen=True, slots=True)
class CloseOuts:
    """What would be closed out, in its order, and what the insurance fund would hold then."""

    closed: Sequence[Closed]
    fees: Decimal
    fund: Decimal


def moved(mark_price: Decimal, percent: Decimal, tick_size: Decimal) -> Decimal:
    """Return a mark that moved by some percent: to the nearest multiple of the tick, one at least.

    A price that is set is one, too.
    """
    factor = 1 + EXACT.divide(percent, Decimal(100))
    return max(round_to_multiple(EXACT.multiply(mark_price, factor), tick_size), tick_size)


def close_out_in_turn(
    accounts: Iterable[AccountState],
    limits: Limits,
    instruments: Mapping[str, InstrumentState],
    *,
    fund: Decimal,
) -> CloseOuts:
    """Close out accounts in breach, one after the other, as a sweep does.

    ``instruments`` are those held, by symbol; ``fund`` is what the insurance fund holds before. The
    fees of an account reach it before the account's deficit does.
    """
    done, fees = list[Closed](), ZERO
    for account in accounts:
        out = close_out(account, limits, instruments)
        charged = sum((closing.fee for closing in out.closings), ZERO)
        paid, bad_debt = cover(max(-out.balance, ZERO), fund + charged)
        fund, fees = fund + charged - paid, fees + charged
        notional = sum((closing.notional for closing in out.closings), ZERO)
        done.append(Closed(account.account_id, out, notional, paid, bad_debt))
    return CloseOuts(done, fees, fund)
