"""The real exchange behind the names of the reference: every call is one service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.models import Tier, User
from accounts.services import (
    adjust_balance,
    change_tier,
    create_user,
    deposit,
    fund_insurance,
    set_account_state,
    withdraw,
)
from market.kernel.states import TradingState
from market.models import Instrument
from market.services import (
    configure_instrument,
    list_instrument,
    set_instrument_state,
)
from risk.engine import Intent
from risk.models import LeverageLimit
from risk.services import (
    change_limits,
    change_policy,
    set_tier_state,
    set_trading_state,
)
from tests.system.model import figures
from tests.system.model.reference import Reference
from trading.liquidation.sweep import sweep_liquidations
from trading.orders.tickets import Outcome, Ticket
from trading.services import (
    cancel_all_orders,
    cancel_order,
    close_position,
    place_order,
    place_orders,
)
from trading.steps.by_hand import step_at_prices

TIERS = {"ann": Tier.BEGINNER, "ben": Tier.INTERMEDIATE, "cid": Tier.ADVANCED}
#: Tick and lot size, minimum notional, maker and taker fee.
INSTRUMENTS = {
    "AAA": ("0.01", "0.001", "5", "0.0002", "0.00075"),
    "BBB": ("1", "1", "0", "0", "0"),
    "CCC": ("0.00001", "0.001", "1", "0.001", "0.01"),
}


@dataclass
class Exchange:
    users: dict[str, User]
    instruments: dict[str, Instrument]
    staff: User

    def place(self, request: figures.Order) -> Outcome:
        if request.closes:
            user_id = self.users[request.account].pk
            return close_position(user_id=user_id, symbol=request.symbol)
        ticket = ticket_of(request)
        return place_order(
            user_id=self.users[request.account].pk,
            intent=ticket.intent,
            client_order_id=ticket.client_order_id,
        )

    def place_batch(self, requests: Sequence[figures.Order]) -> list[Outcome]:
        """Place orders of one account in one call."""
        user_id = self.users[requests[0].account].pk
        return place_orders(user_id=user_id, tickets=[ticket_of(r) for r in requests])

    def cancel(self, account: str, order_id: int) -> None:
        cancel_order(order_id=order_id, user_id=self.users[account].pk)

    def cancel_all(self, account: str, symbol: str | None) -> list[int]:
        """Cancel all open orders of an account and return their ids."""
        return cancel_all_orders(user_id=self.users[account].pk, symbol=symbol).canceled

    def step(self, prices: Mapping[str, Decimal]) -> None:
        assert step_at_prices(prices).refreshed

    def sweep(self) -> None:
        sweep_liquidations()

    def deposit(self, account: str, amount: Decimal) -> None:
        deposit(account=self.users[account].account, amount=amount)

    def take(self, account: str, amount: Decimal, *, correction: bool) -> None:
        """Take money out of an account, as a withdrawal or as a correction by staff."""
        owner = self.users[account].account
        if correction:
            reason, staff = "Correction", self.staff
            adjust_balance(account=owner, amount=-amount, reason=reason, created_by=staff)
        else:
            withdraw(account=owner, amount=amount)

    def fund_insurance(self, amount: Decimal) -> None:
        fund_insurance(amount=amount, reason="Capital", created_by=self.staff)

    def decide(self, what: str, which: str, value: Any) -> None:
        """Change a user's tier, a limit of a tier or an instrument's rules."""
        if what == "tier":
            change_tier(reason="A test", user=self.users[which], tier=Tier(value))
        elif what == "leverage":
            limit = LeverageLimit.objects.get(tier=which)
            change_limits(reason="A test", limit=limit, changes={"max_leverage": value})
        elif what == "tier_limit":
            limit = LeverageLimit.objects.get(tier=which)
            change_limits(reason="A test", limit=limit, changes=dict([value]))
        else:
            fees = ("maker_fee_rate", "taker_fee_rate")
            changes = dict(zip(fees, value, strict=True)) if what == "fees" else dict([value])
            configure_instrument(
                reason="A test", instrument=self.instruments[which], changes=changes
            )

    def change_policy(self, changes: Mapping[str, Any]) -> None:
        change_policy(reason="A test", changes=changes)

    def set_state(self, what: str, state: TradingState) -> None:
        """Set the state of trading (``trading``), an instrument, an account or a tier."""
        if what == "trading":
            set_trading_state(reason="A test", state=state)
        elif what in self.instruments:
            set_instrument_state(reason="A test", instrument=self.instruments[what], state=state)
        elif what in self.users:
            set_account_state(reason="A test", account=self.users[what].account, state=state)
        else:
            limit = LeverageLimit.objects.get(tier=what)
            set_tier_state(reason="A test", limit=limit, state=state)


def ticket_of(request: figures.Order) -> Ticket:
    intent = Intent(
        symbol=request.symbol,
        is_buy=request.sign > 0,
        size=request.size,
        price=request.price,
        leverage=request.leverage,
        reduce_only=request.reduce_only,
    )
    return Ticket(intent, request.client_order_id)


def open_exchange() -> Exchange:
    """Open an exchange of three empty accounts and three instruments without a mark."""
    return Exchange(
        users={
            name: create_user(username=name, tier=tier, opening_balance=Decimal(0))
            for name, tier in TIERS.items()
        },
        instruments={
            symbol: list_instrument(
                reason="A test",
                symbol=symbol,
                base_asset=symbol,
                tick_size=Decimal(tick),
                lot_size=Decimal(lot),
                min_notional=Decimal(least),
                maker_fee_rate=Decimal(maker),
                taker_fee_rate=Decimal(taker),
            )
            for symbol, (tick, lot, least, maker, taker) in INSTRUMENTS.items()
        },
        staff=User.objects.create_superuser(username="staff"),
    )


def open_reference() -> Reference:
    """Return the same exchange as the reference keeps it."""
    return Reference(
        instruments={
            symbol: figures.Instrument(symbol, *map(Decimal, row))
            for symbol, row in INSTRUMENTS.items()
        },
        accounts={name: figures.Account(name, tier.value) for name, tier in TIERS.items()},
    )
