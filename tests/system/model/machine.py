"""Drives the exchange and the reference side by side and compares them after every step.

Each example works inside a savepoint of the test's transaction and is rolled back, so that
thousands of them share one database.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import time_machine
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from market.kernel.errors import ExchangeError
from market.kernel.states import TradingState
from risk.bounds import renew_bounds
from tests.system.model.actions import (
    LADDERS,
    Action,
    Decision,
    Sketch,
    actions,
    names,
    sketches,
)
from tests.system.model.exchange import TIERS, Exchange, open_reference
from tests.system.model.figures import Account, Order, Position
from tests.system.model.pictures import (
    Picture,
    actual_funds,
    actual_picture,
    check_reads,
    differences,
    expected_funds,
    expected_picture,
)
from tests.system.model.reference import BalanceTooLow, Conflict, NotOpen
from tests.system.model.tally import count_example
from trading.errors import ClientOrderIdConflict
from trading.history.ledger_check import ledger_differences
from trading.models import Order as StoredOrder
from trading.orders.tickets import Outcome, Placement

D = Decimal
START = datetime(2030, 1, 1, tzinfo=UTC)
FIRST_MARKS = {"AAA": D("100"), "BBB": D("30")}


class ExchangeMachine(RuleBasedStateMachine):
    """Staff, traders and the market act in any order; both sides must agree on all of it.

    The ledger check and the funds are looked at every ``audit_every`` steps and at the end.
    """

    def __init__(self, exchange: Exchange, *, audit_every: int) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.travel = time_machine.travel(START, tick=False)
        self.clock = self.travel.start()
        self.exchange = exchange
        self.model = open_reference()
        self.audit_every = audit_every
        self.held_back: dict[str, int] = {}
        self.steps = 0
        self.sound = True

    def teardown(self) -> None:
        try:
            if self.sound:
                self.audit()
                check_reads(self.exchange)
                connection.check_constraints()
                count_example(self.model, self.steps)
        finally:
            self.travel.stop()
            transaction.savepoint_rollback(self.savepoint)
            for row in (*self.exchange.users.values(), *self.exchange.instruments.values()):
                row.refresh_from_db()

    @initialize(
        balances=st.tuples(*[st.sampled_from([1_000, 200, 5_000])] * 3),
        mode=st.sampled_from(["largest_loss_first", "full", "partial"]),
        margin_mode=st.sampled_from(["initial_share", "initial_share", "brackets"]),
        threshold=st.sampled_from([D("0.5"), D("0.5"), D("0.85"), D(0)]),
        fee_rate=st.sampled_from([D(0), D("0.0123")]),
        limits=st.sampled_from([(5_000_000, 10_000_000), (6_000, 10_000_000), (5_000_000, 10_000)]),
        most_open=st.sampled_from([200, 200, 1]),
        largest=st.sampled_from([*[None] * 5, 700]),
        band=st.sampled_from([*[D(0)] * 5, D("0.03")]),
        sending=st.sampled_from([*[(None, 0)] * 5, (4_000, 10)]),
        bands=st.sampled_from(["", "", "0.04: 0.7, 0.12: 0.33"]),
        fills=st.sampled_from([0, 0, 0, 4]),
        fund=st.sampled_from([0, 50, 10_000]),
        orders=st.lists(st.tuples(names, sketches), max_size=6),
    )
    def open(
        self,
        balances: tuple[int, ...],
        mode: str,
        margin_mode: str,
        threshold: Decimal,
        fee_rate: Decimal,
        limits: tuple[int, int],
        most_open: int,
        largest: int | None,
        bands: str,
        band: Decimal,
        sending: tuple[int | None, int],
        fills: int,
        fund: int,
        orders: list[tuple[str, Sketch]],
    ) -> None:
        """Begin with money, rules and positions, so that an example is soon where it matters."""
        for name, balance in zip(TIERS, balances, strict=True):
            self.deposit(name, D(balance))
        if fund:
            self.fund_insurance(D(fund))
        self.set_marks(FIRST_MARKS)
        self.change_policy(
            liquidation_mode=mode,
            margin_mode=margin_mode,
            maintenance_brackets=LADDERS,
            liquidation_threshold=threshold,
            liquidation_fee_rate=fee_rate,
            max_open_orders=most_open,
            volatility_bands=bands,
            user_exposure_limit=D(limits[0]),
            global_exposure_threshold=D(limits[1]),
            price_band=band,
            max_fills=fills,
            duplicate_seconds=sending[1],
        )
        for name, value in (("max_order_value", largest), ("max_minute_value", sending[0])):
            for tier in TIERS.values() if value else ():
                self.decide(("tier_limit", tier, (name, D(value))))
        for name, sketch in orders:
            self.place(self.request(name, sketch))

    @invariant()
    def they_agree(self) -> None:
        self.steps += 1
        self.sound = False
        self.compare(expected_picture(self.model), actual_picture(self.exchange))
        if self.steps % self.audit_every == 0:
            self.audit()
        self.sound = True

    def audit(self) -> None:
        self.compare(expected_funds(self.model), actual_funds())
        assert ledger_differences() == []

    def compare(self, expected: Picture, actual: Picture) -> None:
        found = list(differences(expected, actual))
        assert not found, "\n".join(["the exchange differs from the reference", *found])

    @rule(action=actions)
    def act(self, action: Action) -> None:
        getattr(self, action.kind)(**action.arguments)

    # Orders

    def order(self, name: str, sketch: Sketch) -> None:
        self.place(self.request(name, sketch))

    def batch(self, name: str, batch: list[Sketch], and_back: bool) -> None:
        """Several orders in one call; ``and_back`` the last one is taken back and halved."""
        orders = [self.request(name, sketch) for sketch in batch]
        if and_back:
            last = replace(orders[-1], price=None)
            lot = self.model.instruments[last.symbol].lot
            orders.append(replace(last, sign=-last.sign))
            orders.append(replace(last, size=max(last.size // 2 // lot, 1) * lot))
        self.place_batch(orders)

    def order_against_position(
        self, pick: int, thirds: int, lots: int, away: int | None, reduce_only: bool
    ) -> None:
        """The whole of a position, a part of it or more, a lot more or less."""
        held = self.held(pick)
        if held is None:
            return
        account, position = held
        sign = -1 if position.q > 0 else 1
        price = self.limit(position.symbol, sign, away)
        lot = self.model.instruments[position.symbol].lot
        size = (abs(position.q) * thirds / 3 // lot + lots) * lot
        self.place(Order(account.name, position.symbol, sign, size, price, reduce_only=reduce_only))

    def careless_order(
        self,
        name: str,
        symbol: str,
        size: str,
        price: str | None,
        leverage: int | None,
        reduce_only: bool,
    ) -> None:
        limit = None if price is None else D(price)
        self.place(Order(name, symbol, 1, D(size), limit, leverage, reduce_only))

    def named_orders(self, name: str, calls: list[tuple[str, int]], price: Decimal | None) -> None:
        """Names are so few that most of these orders repeat an earlier one or contradict it."""
        orders = [
            Order(name, "BBB", 1, D(size), price, client_order_id=client_order_id)
            for client_order_id, size in calls
        ]
        if len(orders) == 1:
            self.place(orders[0])
        else:
            self.place_batch(orders)

    def cancel(self, pick: int, any_order: bool) -> None:
        orders = self.resting()
        if any_order or not orders:
            orders = self.model.orders
        if not orders:
            return
        order = orders[pick % len(orders)]
        stored = StoredOrder.objects.order_by("id")[order.number]
        self.both(
            lambda: self.model.cancel(order),
            lambda: self.exchange.cancel(order.account, stored.pk),
            refusals={NotOpen: "order_not_open"},
        )

    def close(self, name: str, symbol: str) -> None:
        """The end of what is open, whatever that is."""
        self.place(Order(name, symbol, -1, D(0), reduce_only=True, closes=True))

    def cancel_all(self, name: str, symbol: str | None) -> None:
        numbers = self.model.cancel_all(name, symbol)
        ids = StoredOrder.objects.order_by("id").values_list("id", flat=True)
        assert self.exchange.cancel_all(name, symbol) == [ids[number] for number in numbers]

    # The market

    def one_price_moves(self, symbol: str, percent: int) -> None:
        self.set_marks({symbol: self.price(symbol, percent)})

    def all_prices_move(self, moves: tuple[int, ...]) -> None:
        marks = zip(self.model.instruments, moves, strict=True)
        self.set_marks({symbol: self.price(symbol, percent) for symbol, percent in marks})

    def price_moves_to_the_threshold(self, pick: int, ticks: int) -> None:
        """A mark next to the price at which an account would be closed out."""
        held = self.held(pick)
        if held is None:
            return
        account, position = held
        price = self.model.liquidation_price(account, position)
        tick = self.model.instruments[position.symbol].tick
        if price is not None:
            self.set_marks({position.symbol: max(price // tick + ticks, D(1)) * tick})

    def market_turns_against(self, pick: int, percent: int, splits: bool) -> None:
        """All that an account holds loses so many percent; ``splits`` only the first of it does."""
        held = self.held(pick)
        if held:
            against = {p.symbol: -percent if p.q > 0 else percent for p in held[0].open}
            if splits:
                first = held[0].open[0].symbol
                against = {s: by if s == first else -by for s, by in against.items()}
            self.set_marks({symbol: self.price(symbol, by) for symbol, by in against.items()})

    def price_reaches_an_order(self, pick: int, ticks: int, state: str | None) -> None:
        """A mark at the limit of a resting order, a tick before or behind it."""
        resting = self.resting()
        if resting:
            order = resting[pick % len(resting)]
            if state:
                self.hold_back(order.account, state)
            assert order.price is not None
            tick = self.model.instruments[order.symbol].tick
            self.set_marks({order.symbol: max(order.price + ticks * tick, tick)})

    def time_passes(self, seconds: int, renew: bool) -> None:
        """Prices age, bounds are renewed or not, and a sweep comes by."""
        self.clock.shift(timedelta(seconds=seconds))
        self.model.now += seconds
        if renew:
            renew_bounds()
        self.both(self.model.sweep, self.exchange.sweep)

    # Staff

    def money_moves(self, name: str, amount: Decimal, kind: str) -> None:
        if kind == "fund":
            self.fund_insurance(amount / 10)
        elif kind == "deposit":
            self.deposit(name, amount)
        else:
            self.take(name, amount, correction=kind == "correct")

    def owner_of_an_order_withdraws_all(self, pick: int) -> None:
        """A resting order that closes at a loss can't be settled then."""
        resting = self.resting()
        if resting:
            name = resting[pick % len(resting)].account
            balance = self.model.accounts[name].balance
            if balance:
                self.take(name, balance, correction=False)

    def brackets_rise_to_equity(self, pick: int, away: int | None) -> None:
        """A position requires all that its owner left in the account, who adds to it all the same.

        At once, or where the next mark is.
        """
        held = self.held(pick)
        if held is None:
            return
        account, position = held
        worth = abs(position.q) * self.model.mark(position.symbol)
        spare = min(self.model.available_margin(account) - worth / 5 - 30, account.balance)
        if spare > 0:
            self.take(account.name, round(spare, 8), correction=False)
        self.decide(("policy", "margin_mode", "brackets"))
        has = self.model.slack(account) + self.model.required(position)
        rate = math.floor(has / Fraction(worth) * 10_000) / D(10_000)
        if 0 < rate < 1:
            ladder = f"{position.symbol} 999999: {rate} {int(1 / rate)}x"
            self.decide(("policy", "maintenance_brackets", ladder))
            sign = 1 if position.q > 0 else -1
            sketch = Sketch(position.symbol, sign, share=10, lots=1, away=away, leverage=1)
            request = self.request(account.name, sketch)
            self.place(request)
            if request.price is not None:
                self.set_marks({position.symbol: request.price})

    def hold_back(self, what: str, state: str) -> None:
        """Halt trading, an instrument, an account or a tier for a few steps, or let it reduce."""
        self.set_state(what, state)
        self.held_back[what] = self.steps + 3

    @precondition(lambda self: any(end <= self.steps for end in self.held_back.values()))
    @invariant()
    def all_goes_on(self) -> None:
        for what in [what for what, end in self.held_back.items() if end <= self.steps]:
            del self.held_back[what]
            self.set_state(what, "ACTIVE")

    @precondition(lambda self: self.steps % 4 == 0)
    @invariant()
    def staff_release_who_is_throttled(self) -> None:
        for name in [name for name, one in self.model.accounts.items() if one.throttled]:
            self.set_state(name, "ACTIVE")

    # What the rules share

    def request(self, name: str, sketch: Sketch) -> Order:
        """Return a sketched order in figures."""
        account, instrument = self.model.accounts[name], self.model.instruments[sketch.symbol]
        price = self.limit(sketch.symbol, sketch.sign, sketch.away)
        leverage = sketch.leverage or self.model.policy.max_leverage[account.tier]
        available = self.model.available_margin(account)
        pays_for = max(available * sketch.share * leverage / 100, D(20))
        lots = pays_for // ((price or instrument.mark or D("0.5")) * instrument.lot)
        size = max(lots + sketch.lots, D(1)) * instrument.lot
        return Order(
            *(name, sketch.symbol, sketch.sign, size, price),
            *(sketch.leverage, sketch.reduce_only),
        )

    def place(self, request: Order) -> None:
        answers: list[tuple[Order, bool]] = []
        outcomes: list[Outcome] = []
        self.both(
            lambda: answers.append(self.model.place(request)),
            lambda: outcomes.append(self.exchange.place(request)),
            refusals={Conflict: "client_order_id_conflict"},
        )
        for answer, outcome in zip(answers, outcomes, strict=True):
            check_answer(answer, outcome)

    def place_batch(self, requests: list[Order]) -> None:
        """A batch does what its orders would do one by one."""
        outcomes = self.exchange.place_batch(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            try:
                answer = self.model.place(request)
            except Conflict:
                assert isinstance(outcome, ClientOrderIdConflict)
            else:
                check_answer(answer, outcome)

    def both(
        self,
        expected: Callable[[], object],
        actual: Callable[[], object],
        refusals: dict[type[Exception], str] | None = None,
    ) -> None:
        """Do something on both sides: both succeed, or both refuse for the same reason."""
        refusals = refusals or {}
        refusal, code = "", ""
        try:
            expected()
        except tuple(refusals) as error:
            refusal = refusals[type(error)]
        try:
            actual()
        except ExchangeError as error:
            code = error.code
        assert code == refusal, f"reference: {refusal or 'done'}, exchange: {code or 'done'}"

    def set_marks(self, marks: dict[str, Decimal]) -> None:
        self.both(lambda: self.model.step(marks), lambda: self.exchange.step(marks))

    def deposit(self, name: str, amount: Decimal) -> None:
        self.exchange.deposit(name, amount)
        self.model.accounts[name].balance += amount

    def take(self, name: str, amount: Decimal, *, correction: bool) -> None:
        self.both(
            lambda: self.model.withdraw(self.model.accounts[name], amount),
            lambda: self.exchange.take(name, amount, correction=correction),
            refusals={BalanceTooLow: "insufficient_balance"},
        )

    def fund_insurance(self, amount: Decimal) -> None:
        self.exchange.fund_insurance(amount)
        self.model.insurance_fund += amount

    def decide(self, decision: Decision) -> None:
        what, which, value = decision
        if what == "policy":
            self.change_policy(**{which: value})
            return
        self.exchange.decide(what, which, value)
        if what == "tier":
            self.model.accounts[which].tier = value
        elif what == "leverage":
            self.model.policy.max_leverage[which] = value
        elif what == "fees":
            instrument = self.model.instruments[which]
            instrument.maker_fee, instrument.taker_fee = value
        elif what == "tier_limit":
            getattr(self.model.policy, value[0])[which] = value[1]
        else:
            setattr(self.model.instruments[which], *value)

    def change_policy(self, **changes: Any) -> None:
        self.exchange.change_policy(changes)
        for name, value in changes.items():
            setattr(self.model.policy, name, value)

    def set_state(self, what: str, state: str) -> None:
        self.exchange.set_state(what, TradingState(state))
        if what == "trading":
            self.model.policy.state = state
        elif what in self.model.instruments:
            self.model.instruments[what].state = state
        elif what in self.model.accounts:
            self.model.accounts[what].state, self.model.accounts[what].throttled = state, ""
        else:
            self.model.policy.tier_state[what] = state

    def resting(self) -> list[Order]:
        return [order for order in self.model.orders if order.status == "NEW"]

    def held(self, pick: int) -> tuple[Account, Position] | None:
        """Return one of the open positions with its account."""
        every = [(a, position) for a in self.model.accounts.values() for position in a.open]
        return every[pick % len(every)] if every else None

    def limit(self, symbol: str, sign: int, away: int | None) -> Decimal | None:
        return None if away is None else self.price(symbol, -sign * away)

    def price(self, symbol: str, percent: int) -> Decimal:
        """A price so many percent off the mark, a multiple of the tick size."""
        instrument = self.model.instruments[symbol]
        price = (instrument.mark or D("0.5")) * (100 + percent) / 100
        return min(max(price // instrument.tick, D(1)) * instrument.tick, D(100_000))


def check_answer(answer: tuple[Order, bool], outcome: Outcome) -> None:
    """The answer to an order is the reference's, a repeated one the first answer again."""
    order, replayed = answer
    assert isinstance(outcome, Placement)
    stored, denial = outcome.order, outcome.denial
    assert outcome.replayed == replayed
    assert (denial.code if denial else "") == order.code
    assert (stored.status, stored.filled_size) == (order.status, order.filled)
    assert stored.average_price == order.average_price
    assert stored.required_margin == order.required_margin
    assert stored.user_exposure_after == order.user_exposure_after
    assert stored.global_exposure_after == order.global_exposure_after
