"""The rules of trading and of the close-out in plain Python, to hold the exchange against.

Written from docs/arithmetic.md, with no database, no concurrency and nothing of the exchange's own
arithmetic. What it says here is what a reader may expect of the exchange, to the last digit.
"""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from tests.system.model import brackets
from tests.system.model.brackets import Bracket
from tests.system.model.figures import (
    UNITS,
    ZERO,
    Account,
    Instrument,
    Order,
    Policy,
    Position,
    fee_of,
    half_even,
    is_multiple,
    required_margin,
)

BRACKET_CODES = ("brackets_missing", "position_exceeds_brackets", "leverage_exceeds_bracket")


@dataclass
class Trade:
    """``order`` and ``liquidation`` are numbers, counted over the whole exchange from 0."""

    order: int
    size: Decimal
    price: Decimal
    leverage: int
    fee: Decimal
    realized: Decimal
    liquidation: int | None = None


@dataclass
class Liquidation:
    account: str
    mode: str
    ratio_before: Decimal | None
    equity_before: Decimal
    margin_before: Decimal
    ratio_after: Decimal | None = None
    equity_after: Decimal = ZERO
    margin_after: Decimal = ZERO
    insurance_paid: Decimal = ZERO
    bad_debt: Decimal = ZERO
    maintenance_before: Decimal | None = None
    maintenance_after: Decimal | None = None


class Conflict(Exception):
    """A client order id was used for another order."""


class NotOpen(Exception):
    """The order is not open any more."""


class BalanceTooLow(Exception):
    """A withdrawal takes more than the balance."""


@dataclass
class Reference:
    """An exchange: instruments by symbol, accounts by name in the order they were opened."""

    instruments: dict[str, Instrument]
    accounts: dict[str, Account]
    policy: Policy = field(default_factory=Policy)
    now: int = 0
    orders: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    liquidations: list[Liquidation] = field(default_factory=list)
    insurance_fund: Decimal = ZERO
    bad_debt: Decimal = ZERO
    throttles: int = 0
    first_answers: dict[tuple[str, str], tuple[Order, Order]] = field(default_factory=dict)

    # Figures of an account

    def mark(self, symbol: str) -> Decimal:
        mark = self.instruments[symbol].mark
        assert mark is not None
        return mark

    def equity(self, account: Account) -> Decimal:
        """Balance + unrealised P&L."""
        return account.balance + sum(p.unrealized(self.mark(p.symbol)) for p in account.open)

    def position_margin(self, account: Account) -> Decimal:
        return sum((position.m for position in account.open), ZERO)

    def available_margin(self, account: Account) -> Decimal:
        """Equity − margin of positions − margin reserved by open orders."""
        return self.equity(account) - self.position_margin(account) - account.reserved_margin

    def margin_ratio(self, account: Account) -> Decimal | None:
        margin = self.position_margin(account)
        return half_even(Fraction(self.equity(account)) / Fraction(margin)) if margin else None

    def exposure(self, account: Account) -> Decimal:
        held = sum((abs(p.q) * self.mark(p.symbol) for p in account.open), ZERO)
        return held + account.reserved_notional

    def global_exposure(self) -> Decimal:
        return sum((self.exposure(account) for account in self.accounts.values()), ZERO)

    def liquidation_price(self, account: Account, position: Position) -> Decimal | None:
        """The mark at which equity is what is required, other marks unchanged."""
        quantity, mark = Fraction(position.q), Fraction(self.mark(position.symbol))
        slack, rungs = self.slack(account), self.rungs(position.symbol)
        if rungs is None:
            price = half_even(mark - slack / quantity)
        else:
            spare = slack + self.required(position)
            price = half_even(brackets.price_at(rungs, quantity=quantity, mark=mark, spare=spare))
        return price if price > 0 else None

    def rungs(self, symbol: str) -> tuple[Bracket, ...] | None:
        """The brackets that positions in an instrument are held to, if it has any."""
        if self.policy.margin_mode != "brackets":
            return None
        return brackets.ladders(self.policy.maintenance_brackets).get(symbol)

    def required(self, position: Position) -> Fraction:
        """What equity must reach for a position, without rounding."""
        rungs, mark = self.rungs(position.symbol), Fraction(self.mark(position.symbol))
        if rungs is None:
            return Fraction(self.policy.liquidation_threshold) * Fraction(position.m)
        return brackets.required(rungs, abs(Fraction(position.q)) * mark)

    def required_equity(self, account: Account) -> Fraction:
        return sum((self.required(position) for position in account.open), Fraction())

    def maintenance(self, account: Account) -> Decimal | None:
        """What is required by brackets, rounded up."""
        if self.policy.margin_mode != "brackets":
            return None
        return Decimal(math.ceil(self.required_equity(account) * UNITS)) / UNITS

    def slack(self, account: Account) -> Fraction:
        return Fraction(self.equity(account)) - self.required_equity(account)

    def is_in_breach(self, account: Account) -> bool:
        """Without rounding, and without dividing by no margin."""
        return self.slack(account) < 0

    def is_below_maintenance(self, account: Account) -> bool:
        return self.policy.margin_mode == "brackets" and self.is_in_breach(account)

    # Orders

    def place(self, request: Order) -> tuple[Order, bool]:
        """Answer an order; the same client order id gets the first answer again (True)."""
        key = (request.account, request.client_order_id or "")
        if request.client_order_id is not None and key in self.first_answers:
            asked, answer = self.first_answers[key]
            if asked != request:
                raise Conflict
            return answer, True
        order = self.enter(replace(request))
        if order.closes:
            position = self.accounts[order.account].position(order.symbol)
            held = position.q if position else ZERO
            order.sign, order.size = (1 if held < 0 else -1), abs(held)
        order.code = self.refusal(order) or self.accept(order)
        if order.code:
            order.status = "REJECTED"
        if request.client_order_id is not None:
            self.first_answers[key] = (request, replace(order))
        return order, False

    def enter(self, order: Order) -> Order:
        order.number = len(self.orders)
        self.orders.append(order)
        return order

    def accept(self, order: Order) -> str:
        """Carry an order out, and count it where a control adds up what is sent."""
        counted = ZERO
        if not self.only_reduces(self.accounts[order.account], order):
            counted = order.size * self.checked_at(order)
        tier = self.accounts[order.account].tier
        asks = self.policy.duplicate_seconds or self.policy.max_minute_value.get(tier) is not None
        code = self.try_to_execute(order)
        order.at, order.counted = self.now, None if code or not asks else counted
        return code

    def refusal(self, order: Order) -> str:
        """The first check that an order fails before margins are looked at."""
        account = self.accounts[order.account]
        instrument = self.instruments.get(order.symbol)
        limit = self.policy.max_leverage[account.tier]
        tier = self.policy.tier_state[account.tier]
        if self.policy.state == "HALTED":
            return "trading_halted"
        if self.policy.state == "REDUCING" and self.may_open(order):
            return "reducing_only"
        if instrument is not None and self.is_stale(instrument):
            return "stale_price"
        if account.state == "HALTED":
            return "account_suspended"
        if account.state == "REDUCING" and self.may_open(order):
            return "reducing_only"
        if tier == "HALTED":
            return "tier_halted"
        if tier == "REDUCING" and self.may_open(order):
            return "reducing_only"
        if instrument is None:
            return "unknown_symbol"
        price = self.mark(order.symbol) if order.price is None else order.price
        checks: tuple[tuple[str, Callable[[], bool]], ...] = (
            ("instrument_halted", lambda: instrument.state == "HALTED"),
            (
                "reducing_only",
                lambda: instrument.state == "REDUCING" and self.may_open(order),
            ),
            ("invalid_size", lambda: not (order.closes or is_multiple(order.size, instrument.lot))),
            ("invalid_price", lambda: not is_multiple(price, instrument.tick)),
            (
                "below_min_notional",
                lambda: not order.closes and order.size * price < instrument.min_notional,
            ),
            ("price_out_of_band", lambda: self.is_out_of_band(order)),
            ("order_value_exceeded", lambda: self.is_too_large(account, instrument, order)),
            ("duplicate_order", lambda: self.is_sent_again(account, order)),
            ("order_volume_exceeded", lambda: self.is_too_much(account, order)),
            ("leverage_exceeds_tier", lambda: (order.leverage or limit) > limit),
            (
                "leverage_exceeds_volatility",
                lambda: (order.leverage or 1) > self.highest_leverage(order),
            ),
            *(
                (code, lambda code=code: self.beyond_brackets(account, order) == code)
                for code in BRACKET_CODES
            ),
            ("reduce_only_rejected", lambda: self.has_nothing_to_reduce(account, order)),
            ("too_many_open_orders", lambda: self.is_one_too_many(order)),
        )
        return next((code for code, fails in checks if fails()), "")

    def may_open(self, order: Order) -> bool:
        """Whether an order of an instrument with a mark may add to a position, now or later."""
        instrument = self.instruments.get(order.symbol)
        if instrument is None or instrument.mark is None:
            return False
        return not self.only_reduces(self.accounts[order.account], order)

    def is_stale(self, instrument: Instrument) -> bool:
        if instrument.marked_at is None:
            return True
        return self.now - instrument.marked_at > self.policy.max_mark_age_seconds

    def is_out_of_band(self, order: Order) -> bool:
        mark, band = self.mark(order.symbol), self.policy.price_band
        return order.price is not None and band > 0 and abs(order.price - mark) > band * mark

    def is_too_large(self, account: Account, instrument: Instrument, order: Order) -> bool:
        """What only reduces is never too large; else value and size are held to their limits."""
        values = (self.policy.max_order_value.get(account.tier), instrument.max_order_value)
        limits = [(order.size, instrument.max_order_size)]
        limits += [(order.size * self.checked_at(order), most) for most in values]
        passed = any(most is not None and asked > most for asked, most in limits)
        return passed and not self.only_reduces(account, order)

    def is_sent_again(self, account: Account, order: Order) -> bool:
        equal = ("account", "symbol", "sign", "size", "price")
        return not self.only_reduces(account, order) and any(
            all(getattr(first, name) == getattr(order, name) for name in equal)
            for first in self.orders
            if first.counted is not None and self.now - first.at < self.policy.duplicate_seconds
        )

    def is_too_much(self, account: Account, order: Order) -> bool:
        """With what was counted in the last minute."""
        most = self.policy.max_minute_value.get(account.tier)
        lately = [o for o in self.orders if o.account == account.name and self.now - o.at < 60]
        sent = sum((o.counted for o in lately if o.counted is not None), ZERO)
        passed = most is not None and sent + order.size * self.checked_at(order) > most
        return passed and not self.only_reduces(account, order)

    def only_reduces(self, account: Account, order: Order) -> bool:
        held = account.reducible(order.symbol, order.sign)
        return order.reduce_only or (self.crosses(order) and order.size <= held)

    def checked_at(self, order: Order) -> Decimal:
        """The mark where an order fills at once, else its limit."""
        if order.price is None or self.crosses(order):
            return self.mark(order.symbol)
        return order.price

    def highest_leverage(self, order: Order) -> int:
        """The tier's leverage; of what opens the share of the highest band that is reached."""
        account, instrument = self.accounts[order.account], self.instruments[order.symbol]
        highest, share = self.policy.max_leverage[account.tier], Fraction(1)
        if self.only_reduces(account, order):
            return highest
        for band in filter(None, self.policy.volatility_bands.split(", ")):
            bound, left = map(Fraction, band.split(": "))
            if instrument.range >= bound:
                share = left
        return max(int(highest * share), 1)

    def beyond_brackets(self, account: Account, order: Order) -> str:
        """Why the position may not become what an order makes of it."""
        if self.only_reduces(account, order):
            return ""
        return self.bracket_code(order.symbol, self.notional_after(account, order), order.leverage)

    def bracket_code(self, symbol: str, notional: Decimal, leverage: int | None) -> str:
        if self.policy.margin_mode != "brackets":
            return ""
        rungs = self.rungs(symbol)
        if rungs is None:
            return "brackets_missing"
        rung = brackets.rung_at(rungs, notional)
        if rung is None:
            return "position_exceeds_brackets"
        return "leverage_exceeds_bracket" if (leverage or 1) > rung.highest else ""

    def notional_after(self, account: Account, order: Order) -> Decimal:
        """Of the whole position, or what rests with what is held on the same side."""
        position = account.position(order.symbol)
        held, mark = (position.q if position else ZERO), self.mark(order.symbol)
        if self.crosses(order):
            return abs(held + order.sign * order.size) * mark
        assert order.price is not None
        return max(held * order.sign, ZERO) * mark + order.size * order.price

    def default_leverage(self, order: Order) -> int:
        """What tier, volatility and bracket leave."""
        highest, rungs = self.highest_leverage(order), self.rungs(order.symbol)
        account = self.accounts[order.account]
        if rungs is None or self.only_reduces(account, order):
            return highest
        rung = brackets.rung_at(rungs, self.notional_after(account, order))
        assert rung is not None
        return min(highest, rung.highest)

    def has_nothing_to_reduce(self, account: Account, order: Order) -> bool:
        return order.reduce_only and not account.reducible(order.symbol, order.sign)

    def is_one_too_many(self, order: Order) -> bool:
        others = [o for o in self.orders if o.account == order.account and o is not order]
        resting = sum(other.status == "NEW" for other in others)
        return not self.crosses(order) and resting >= self.policy.max_open_orders

    def crosses(self, order: Order) -> bool:
        """Whether an order fills at once."""
        if order.price is None:
            return True
        return order.sign * order.price >= order.sign * self.mark(order.symbol)

    def try_to_execute(self, order: Order) -> str:
        """Fill an order at the mark or let it rest; return why it can't be."""
        asked = order.leverage
        order.leverage = asked or self.default_leverage(order)
        mark = self.mark(order.symbol)
        code = self.take(order, mark) if self.crosses(order) else self.rest(order)
        if code:
            order.leverage = asked
        return code

    def take(self, order: Order, mark: Decimal) -> str:
        """Fill at the mark at once; only an order that opens needs margin and limits.

        A fill at the mark moves equity by no more than its fee: what is available after it tells
        whether there was enough.
        """
        before, after = self.accounts[order.account], deepcopy(self.accounts[order.account])
        trade = self.trade_of(after, order, mark, self.instruments[order.symbol].taker_fee)
        opens = trade.size > before.reducible(order.symbol, order.sign)
        others = self.global_exposure() - self.exposure(before)
        exposure = self.exposure(after)
        if after.balance < 0 or (opens and self.available_margin(after) < 0):
            return "insufficient_margin"
        if opens and self.is_below_maintenance(after):
            return "below_maintenance"
        if opens and exposure > self.policy.user_exposure_limit:
            return "user_exposure_exceeded"
        if opens and others + exposure > self.policy.global_exposure_threshold:
            return "global_exposure_exceeded"
        if opens:
            opened = trade.size - before.reducible(order.symbol, order.sign)
            order.required_margin = required_margin(opened, mark, trade.leverage)
        self.accounts[order.account] = after
        self.book(order, trade)
        self.note_exposures(order)
        return ""

    def rest(self, order: Order) -> str:
        """Wait for the price; reserve for the whole size, unless the order can only reduce."""
        account, price = self.accounts[order.account], order.price
        assert price is not None
        assert order.leverage is not None
        if not order.reduce_only:
            notional = order.size * price
            margin = required_margin(order.size, price, order.leverage)
            fee = fee_of(order.size, price, self.instruments[order.symbol].maker_fee)
            if self.available_margin(account) - fee < margin:
                return "insufficient_margin"
            if self.exposure(account) + notional > self.policy.user_exposure_limit:
                return "user_exposure_exceeded"
            if self.global_exposure() + notional > self.policy.global_exposure_threshold:
                return "global_exposure_exceeded"
            order.required_margin = order.reserved_margin = margin
            order.reserved_notional = notional
            account.reserved_margin += margin
            account.reserved_notional += notional
        self.note_exposures(order)
        return ""

    def trade_of(self, account: Account, order: Order, price: Decimal, rate: Decimal) -> Trade:
        """Apply the order to ``account`` at ``price``; a reduce-only one as far as it reduces."""
        size = order.size
        if order.reduce_only:
            size = min(size, account.reducible(order.symbol, order.sign))
        assert order.leverage is not None
        end = "LIQUIDATED" if order.liquidation else "CLOSED"
        realized = account.fill(order.symbol, order.sign, size, price, order.leverage, end)
        fee = fee_of(size, price, rate)
        account.balance += realized - fee
        return Trade(order.number, size, price, order.leverage, fee, realized)

    def book(self, order: Order, trade: Trade) -> None:
        self.trades.append(trade)
        order.filled, order.average_price, order.status = trade.size, trade.price, "FILLED"
        if not order.liquidation:
            self.count_fill(self.accounts[order.account])

    def count_fill(self, account: Account) -> None:
        """With so many fills in the window an account may only reduce; then none counts more."""
        most, window = self.policy.max_fills, self.policy.fills_window_seconds
        if not most or account.state != "ACTIVE":
            return
        account.fills.append(self.now)
        if sum(self.now - at < window for at in account.fills) >= most:
            account.state, account.throttled = "REDUCING", f"{most} fills in {window} s"
            account.fills.clear()
            self.throttles += 1

    def note_exposures(self, order: Order) -> None:
        order.user_exposure_after = self.exposure(self.accounts[order.account])
        order.global_exposure_after = self.global_exposure()

    def cancel(self, order: Order) -> None:
        if order.status != "NEW":
            raise NotOpen
        self.end(order, "CANCELED")

    def cancel_all(self, account: str, symbol: str | None) -> list[int]:
        """End all open orders of an account, or those in an instrument; return their numbers."""
        found = [
            order
            for order in self.orders
            if (order.account, order.status) == (account, "NEW") and symbol in (None, order.symbol)
        ]
        for order in found:
            self.end(order, "CANCELED")
        return [order.number for order in found]

    def end(self, order: Order, status: str, code: str = "") -> None:
        """End a resting order and give back what it reserved."""
        account = self.accounts[order.account]
        account.reserved_margin -= order.reserved_margin
        account.reserved_notional -= order.reserved_notional
        order.reserved_margin = order.reserved_notional = ZERO
        order.status, order.code = status, code

    # Money

    def withdraw(self, account: Account, amount: Decimal) -> None:
        if amount > account.balance:
            raise BalanceTooLow
        account.balance -= amount

    # Market steps and close-outs

    def step(self, prices: Mapping[str, Decimal]) -> None:
        """New marks, then fills of the orders that they reach, then close-outs."""
        for symbol, price in prices.items():
            self.instruments[symbol].mark = price
            self.instruments[symbol].marked_at = self.now
            self.instruments[symbol].note(self.now, price, self.policy.volatility_window_minutes)
        reached = [order for order in self.orders if self.is_reached(order, prices)]
        for name in self.accounts:
            for order in reached:
                if order.account == name:
                    self.fill_reached(order)
        self.sweep()

    def is_reached(self, order: Order, prices: Mapping[str, Decimal]) -> bool:
        if self.policy.state == "HALTED" or order.status != "NEW" or order.symbol not in prices:
            return False
        assert order.price is not None
        halted = self.instruments[order.symbol].state == "HALTED"
        return not halted and order.sign * order.price >= order.sign * prices[order.symbol]

    def fill_reached(self, order: Order) -> None:
        """Fill a resting order at its limit; one that can't be any more expires."""
        self.end(order, "EXPIRED")
        account, price = self.accounts[order.account], order.price
        assert price is not None
        against = account.reducible(order.symbol, order.sign)
        held_back = "reduce_only_rejected" if order.reduce_only else self.held_back(order)
        if held_back:
            if not against:
                order.code = held_back
                return
            limit = replace(order, size=min(order.size, against))
        else:
            limit = order
        after = deepcopy(account)
        trade = self.trade_of(after, limit, price, self.instruments[order.symbol].maker_fee)
        opened = max(trade.size - against, ZERO)
        if after.balance < 0 or (opened and not self.can_open(account, trade, opened, order)):
            order.code = "insufficient_margin"
            return
        position = after.position(order.symbol)
        worth = abs(position.q) * self.mark(order.symbol) if position else ZERO
        order.code = self.bracket_code(order.symbol, worth, order.leverage) if opened else ""
        if opened and not order.code and self.is_below_maintenance(after):
            order.code = "below_maintenance"
        if order.code:
            return
        self.accounts[order.account] = after
        self.book(order, trade)

    def held_back(self, order: Order) -> str:
        """Why a resting order may only reduce."""
        account, symbol = self.accounts[order.account], order.symbol
        states = (
            (self.policy.state, ""),
            (account.state, "account_suspended"),
            (self.policy.tier_state[account.tier], "tier_halted"),
            (self.instruments[symbol].state, ""),
        )
        for state, halted in states:
            if state != "ACTIVE":
                return halted if state == "HALTED" else "reducing_only"
        return ""

    def can_open(self, account: Account, trade: Trade, opened: Decimal, order: Order) -> bool:
        """Whether there is margin for what a fill opens, after what it closes and its fee."""
        closing = deepcopy(account)
        if trade.size > opened:
            size = trade.size - opened
            closing.balance += closing.close(order.symbol, size, trade.price, "CLOSED")
        closing.balance -= trade.fee
        margin = required_margin(opened, trade.price, trade.leverage)
        return self.available_margin(closing) >= margin

    def sweep(self) -> None:
        """Close out every account below the threshold, the oldest account first."""
        for account in self.accounts.values():
            if self.is_in_breach(account):
                self.liquidate(account)

    def liquidate(self, account: Account) -> None:
        event = Liquidation(
            account=account.name,
            mode=self.policy.liquidation_mode,
            ratio_before=self.margin_ratio(account),
            equity_before=self.equity(account),
            margin_before=self.position_margin(account),
            maintenance_before=self.maintenance(account),
        )
        self.liquidations.append(event)
        for order in self.orders:
            if order.account == account.name and order.status == "NEW":
                self.end(order, "CANCELED")
        by_loss = sorted(account.open, key=lambda p: (p.unrealized(self.mark(p.symbol)), p.symbol))
        reduced = self.reductions(account, by_loss)
        for position in by_loss:
            if self.may_stop(account):
                break
            if position.symbol in reduced:
                self.close_out(account, position, reduced[position.symbol])
        event.insurance_paid, event.bad_debt = self.cover_deficit(account)
        event.ratio_after = self.margin_ratio(account)
        event.equity_after = self.equity(account)
        event.margin_after = self.position_margin(account)
        event.maintenance_after = self.maintenance(account)

    def may_stop(self, account: Account) -> bool:
        """Whether a partial close-out is done: the ratio is back and the losses are paid."""
        partial = self.policy.liquidation_mode == "largest_loss_first"
        return partial and not self.is_in_breach(account) and account.balance >= 0

    def reductions(self, account: Account, by_loss: list[Position]) -> dict[str, Decimal]:
        """Return what closes of each position: all of it, unless reducing some is enough."""
        whole = {position.symbol: abs(position.q) for position in by_loss}
        if self.policy.liquidation_mode != "partial":
            return whole
        copy, reduced = deepcopy(account), dict[str, Decimal]()
        for position in by_loss:
            if self.is_at_target(copy):
                break
            size = reduced[position.symbol] = self.reduction(copy, position)
            mark = self.mark(position.symbol)
            copy.balance += copy.close(position.symbol, size, mark, "LIQUIDATED")
            fee = fee_of(size, mark, self.policy.liquidation_fee_rate)
            copy.balance -= min(fee, max(copy.balance, ZERO))
        return reduced if self.is_at_target(copy) else whole

    def is_at_target(self, account: Account) -> bool:
        target = Fraction(self.policy.close_out_target) * self.required_equity(account)
        return account.balance >= 0 and Fraction(self.equity(account)) >= target

    def reduction(self, account: Account, position: Position) -> Decimal:
        """The least lots that reach the target for certain, a share at most, and no small rest."""
        rule, mark = self.instruments[position.symbol], Fraction(self.mark(position.symbol))
        size, lot = Fraction(abs(position.q)), Fraction(rule.lot)
        share, target = (
            Fraction(self.policy.close_out_share),
            Fraction(self.policy.close_out_target),
        )
        most = lots = math.ceil(share * size / lot)
        level = target * Fraction(self.policy.liquidation_threshold)
        rounding = (1 + level) / 2 / UNITS  # half a unit of the fee, and of the margin
        fee = mark * Fraction(self.policy.liquidation_fee_rate)
        rungs, others = self.rungs(position.symbol), self.required_equity(account)
        others -= self.required(position)
        lines = [(Fraction(self.policy.liquidation_threshold) * Fraction(position.m), Fraction())]
        if rungs is not None:
            lines = [(size * mark * rung.rate, rung.taken) for rung in rungs]
        missing = [
            target * (others + slope - taken) - Fraction(self.equity(account))
            for slope, taken in lines
        ]
        if max(missing) > 0:
            lots = 0
            for (slope, _), short in zip(lines, missing, strict=True):
                gain_of_one = target * slope / size - fee
                if short + rounding > 0:
                    enough = gain_of_one > 0 and math.ceil((short + rounding) / gain_of_one / lot)
                    lots = max(lots, min(most, enough or most))
        small = (size - lots * lot) * mark < Fraction(rule.min_notional)
        return abs(position.q) if small else lots * rule.lot

    def close_out(self, account: Account, position: Position, size: Decimal) -> None:
        """Close of a position at its mark; a fee goes to the fund as far as the balance reaches."""
        mark = self.mark(position.symbol)
        order = self.enter(
            Order(
                account=account.name,
                symbol=position.symbol,
                sign=-1 if position.q > 0 else 1,
                size=size,
                leverage=position.leverage,
                reduce_only=True,
                liquidation=True,
            )
        )
        trade = self.trade_of(account, order, mark, ZERO)
        trade.liquidation = len(self.liquidations) - 1
        self.book(order, trade)
        rate = self.policy.liquidation_fee_rate
        charged = min(fee_of(size, mark, rate), max(account.balance, ZERO))
        account.balance -= charged
        self.insurance_fund += charged

    def cover_deficit(self, account: Account) -> tuple[Decimal, Decimal]:
        """Lift a negative balance to zero: the fund as far as it reaches, the rest is bad debt."""
        deficit = max(-account.balance, ZERO)
        paid = min(deficit, self.insurance_fund)
        self.insurance_fund -= paid
        self.bad_debt += deficit - paid
        account.balance += deficit
        return paid, deficit - paid
