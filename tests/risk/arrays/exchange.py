"""The exchange's own decisions on the accounts of a book, one after the other, in Decimals.

All of them at one moment: whatever an account has sent or filled counts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from market.kernel.amounts import ZERO
from risk import closing
from risk.arrays.books import Book
from risk.arrays.orders import Orders
from risk.arrays.units import Whole
from risk.denials import Denial
from risk.engine import Approval, Intent, check_order, value_sent
from risk.fills import Holding
from risk.policy import TIERS, Policy
from risk.state import AccountState, InstrumentState, RiskState, Sent
from risk.throttle import counts_fills, held, throttled
from tests.risk.arrays.cases import NOW, account_states, at_marks, marked, position

#: No account has sent anything lately.
NOTHING = Sent(ZERO, ZERO)


class Exchange:
    """Accounts as Decimals, the insurance fund, and the exposure of all."""

    def __init__(
        self,
        book: Book,
        listed: Sequence[InstrumentState],
        marks: Whole,
        policy: Policy,
        fund: Decimal = ZERO,
    ) -> None:
        self.listed = marked(listed, marks)
        self.limits = [
            policy.limits(TIERS[tier], suspended)
            for tier, suspended in zip(book.tier.tolist(), book.suspended.tolist(), strict=True)
        ]
        self.requirements = [limits.requirement for limits in self.limits]
        self.states = account_states(book, self.listed)
        self.sent, self.fills = dict[int, Sent](), Counter[int]()
        self.orders = set[tuple[int, str, Decimal]]()
        self.fund, self.house, self.bad_debt = fund, ZERO, ZERO
        self.total = sum((state.exposure for state in self.states), ZERO)

    @property
    def money(self) -> Decimal:
        """What all own together: nothing that happens here changes it."""
        balances = sum((state.balance for state in self.states), ZERO)
        return balances + self.fund + self.house - self.bad_debt

    def mark(self, marks: Whole) -> None:
        """Let all be worth what it is at marks."""
        self.listed = marked(self.listed, marks)
        prices = {one.id: one.mark_price for one in self.listed}
        self.states = [at_marks(state, prices) for state in self.states]
        self.total = sum((state.exposure for state in self.states), ZERO)

    def place(self, orders: Orders) -> list[str | Approval]:
        """Decide orders and book them; return what each was refused with, or how it passed."""
        columns = (orders.rows, orders.instrument, orders.lots, orders.leverage, orders.reduce_only)
        lists = zip(*(column.tolist() for column in columns), strict=True)
        return [self.place_one(*order) for order in lists]

    def place_one(
        self, row: int, number: int, lots: int, leverage: int, reduce_only: bool
    ) -> str | Approval:
        one, state = self.listed[number], self.states[row]
        intent = Intent(
            one.symbol,
            is_buy=lots > 0,
            size=abs(lots) * one.lot_size,
            leverage=leverage or None,
            reduce_only=reduce_only,
        )
        limits, sent = self.limits[row], self.sent.get(row, NOTHING)
        twin_at = NOW if (row, one.symbol, intent.signed(intent.size)) in self.orders else None
        asked = RiskState(state, limits, one, 0, sent, twin_at)
        answer = check_order(intent, asked, NOW)
        if isinstance(answer, Denial):
            return answer.code
        assert one.mark_price is not None
        change = answer.change.valued_at(one.mark_price)
        # As the statement that books it asks.
        if answer.opens and self.total + change > limits.global_exposure_threshold:
            return "global_exposure_exceeded"
        self.total += change
        self.note(row, intent, asked)
        self.book(row, one, answer)
        return answer

    def note(self, row: int, intent: Intent, asked: RiskState) -> None:
        """Count an accepted order, where a control asks for it.

        Another leverage makes no other order of it (``trading.orders.tickets``).
        """
        limits = asked.limits
        if limits.duplicate_seconds:
            self.orders.add((row, intent.symbol, intent.signed(intent.size)))
        if limits.max_minute_value is not None:
            value = value_sent(intent, asked, NOW, goes_out=False)
            self.sent[row] = self.sent.get(row, NOTHING).plus(value)
        if counts_fills(limits):
            self.fills[row] += 1
            why = throttled(
                limits.max_fills,
                limits.fills_window_seconds,
                nth=self.fills[row],
                earlier=None,
                now=NOW,
            )
            self.limits[row] = held(limits, why) if why else limits

    def book(self, row: int, one: InstrumentState, approval: Approval) -> None:
        execution, state = approval.execution, self.states[row]
        assert execution is not None
        paid = execution.fill.realized_pnl - execution.fee
        positions = dict(state.positions)
        positions[one.id] = position(one, execution.fill.holding)
        if execution.fill.holding == Holding():
            del positions[one.id]
        self.states[row] = replace(state, balance=state.balance + paid, positions=positions)
        self.house -= paid

    def in_breach(self) -> list[int]:
        both = zip(self.states, self.requirements, strict=True)
        return [row for row, (one, by) in enumerate(both) if one.positions and one.is_in_breach(by)]

    def close_out(self, row: int) -> tuple[closing.CloseOut, Decimal, Decimal]:
        """Close out an account; return what that does, and what fund and nobody pay."""
        state = self.states[row]
        by_symbol = {one.symbol: one for one in self.listed}
        out = closing.close_out(state, self.limits[row], by_symbol)
        self.fund += sum((leg.fee for leg in out.closings), ZERO)
        self.house -= sum((leg.realized_pnl for leg in out.closings), ZERO)
        paid, bad_debt = closing.cover(max(-out.balance, ZERO), self.fund)
        self.fund, self.bad_debt = self.fund - paid, self.bad_debt + bad_debt
        positions = dict(state.positions)
        for leg in out.closings:
            held = positions.pop(leg.position.instrument_id)
            if leg.left != Holding():
                positions[held.instrument_id] = replace(held, holding=leg.left)
        self.total -= sum((leg.notional for leg in out.closings), state.reserved_notional)
        self.states[row] = AccountState(
            account_id=row,
            user_id=row,
            balance=max(out.balance, ZERO),
            positions=positions,
        )
        return out, paid, bad_debt
