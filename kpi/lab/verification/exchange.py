"""A study's market and accounts on the real services: what ``lab verify`` holds the lab against.

Accounts are called by their rows, which is the order in which they are opened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, Self

from django.utils import timezone

from accounts.models import Account, Tier, Transfer, TransferKind
from accounts.selectors import insurance_fund_balance
from accounts.services import create_user, fund_insurance
from kpi.lab.errors import LabError
from kpi.lab.inputs.specs import InstrumentSpec
from market.kernel.amounts import ZERO
from market.models import Instrument
from market.services import list_instrument
from risk.engine import Intent
from risk.policy import Policy
from risk.selectors import account_states
from risk.services import set_policy
from trading.models import Liquidation, Trade
from trading.orders.placement import place_orders
from trading.orders.tickets import Placement, Ticket
from trading.steps.by_hand import fixed_quotes, step_at_prices
from trading.steps.step import apply_marks

QUOTE_ASSET: Final = "USDT"
REASON: Final = "lab verification"
Prices = Mapping[str, Decimal]


class Leg(NamedTuple):
    """A position closed out, by the order that closed it; amounts in USDT."""

    symbol: str
    side: str
    size: Decimal
    mark: Decimal
    realized: Decimal
    fee: Decimal


class CloseOut(NamedTuple):
    """A close-out and the balance that it left; amounts in USDT."""

    equity_before: Decimal
    margin_before: Decimal
    legs: tuple[Leg, ...]
    insurance: Decimal
    bad_debt: Decimal
    balance: Decimal


class Unfinished(LabError):
    """The services left a part of a step to the next one, which a verification cannot compare."""

    code = "lab_step_unfinished"


@dataclass(frozen=True, slots=True)
class Exchange:
    """The accounts by row: ids of users and of accounts."""

    users: Sequence[int]
    accounts: Sequence[int]

    @classmethod
    def open(
        cls,
        *,
        instruments: Iterable[InstrumentSpec],
        policy: Policy,
        fund: Decimal,
        accounts: Iterable[tuple[str, Decimal]],
    ) -> Self:
        """List instruments, set the policy, pay the fund in, and open accounts of (tier, balance).

        In a database that is as migrated.
        """
        for spec in instruments:
            list_instrument(
                symbol=spec.symbol,
                base_asset=spec.symbol.removesuffix(QUOTE_ASSET),
                tick_size=spec.tick_size,
                lot_size=spec.lot_size,
                min_notional=spec.min_notional,
                taker_fee_rate=spec.taker_fee_rate,
                reason=REASON,
            )
        set_policy(policy=policy, reason=REASON)
        if fund:
            fund_insurance(amount=fund, reason="Opening")
        users = [
            create_user(username=f"account-{row}", tier=Tier(tier), opening_balance=balance)
            for row, (tier, balance) in enumerate(accounts)
        ]
        return cls([user.pk for user in users], [user.account.pk for user in users])

    def step(self, prices: Prices) -> dict[int, CloseOut]:
        """Run a market step and return its close-outs by row. Raises Unfinished."""
        result = step_at_prices(prices)
        if result.unfinished or result.unmarked or result.halts:
            raise Unfinished("A market step of the services ended with work left; try again.")
        return {
            self.accounts.index(one.account_id): close_out_of(one) for one in result.liquidations
        }

    def mark(self, prices: Prices) -> None:
        """Set marks without a look at any account."""
        quotes = fixed_quotes(prices)(list(Instrument.objects.order_by("id")), 0)
        apply_marks(quotes=quotes, now=timezone.now())

    def place(self, row: int, intent: Intent) -> str | None:
        """Place an order on the simulated venue and return the code of its denial, if any."""
        [outcome] = place_orders(user_id=self.users[row], tickets=[Ticket(intent)])
        if not isinstance(outcome, Placement):
            raise outcome
        return outcome.order.reject_code or None

    def fund(self) -> Decimal:
        return insurance_fund_balance()

    def standings(self) -> list[tuple[Decimal, Decimal]]:
        """Return balance and equity at present marks, by row."""
        states = account_states(self.accounts)
        return [(states[key].balance, states[key].equity) for key in self.accounts]


def close_out_of(liquidation: Liquidation) -> CloseOut:
    """Return what the books say of a close-out that has just been done."""
    return CloseOut(
        equity_before=liquidation.equity_before,
        margin_before=liquidation.margin_before,
        legs=legs_of(liquidation),
        insurance=liquidation.insurance_paid,
        bad_debt=liquidation.bad_debt,
        balance=Account.objects.values_list("balance", flat=True).get(pk=liquidation.account_id),
    )


def legs_of(liquidation: Liquidation) -> tuple[Leg, ...]:
    """Return what was closed, in the order in which it was."""
    trades = Trade.objects.filter(liquidation=liquidation).select_related("instrument")
    fees = dict(
        Transfer.objects.filter(
            kind=TransferKind.LIQUIDATION_FEE, debit_account=liquidation.account_id
        ).values_list("reference", "amount")
    )
    return tuple(
        Leg(
            symbol=trade.instrument.symbol,
            side=trade.side,
            size=trade.size,
            mark=trade.price,
            realized=trade.realized_pnl,
            fee=fees.get(f"order:{trade.order_id}", ZERO),
        )
        for trade in trades.order_by("order_id")
    )
