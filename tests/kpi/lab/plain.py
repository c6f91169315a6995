"""The lab's loop, told plainly: Decimals, every account at every step, by the exchange's functions.

It is slow and has no blocks, levels or candidates, so that what the lab leaves out is seen.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.specs import LabPolicy
from kpi.lab.inputs.tape import Tape
from market.kernel.amounts import UNIT, ZERO
from risk.arrays.units import amount
from risk.closing import close_out, cover
from risk.denials import Denial
from risk.engine import Intent, check_order
from risk.execution import Execution
from risk.policy import TIERS
from risk.state import AccountState, InstrumentState, OpenPosition, RiskState
from tests.risk.arrays.cases import at_marks

NOW = datetime(2025, 1, 1, tzinfo=UTC)

Leg = tuple[int, int, str, Decimal, Decimal, Decimal]


@dataclass
class Plain:
    """A cell: its accounts, and what it has done by now."""

    tape: Tape
    instruments: list[InstrumentState]
    population: Population
    policy: LabPolicy
    fund: Decimal
    accounts: list[AccountState] = field(default_factory=list)
    close_outs: list[tuple[int, int, Decimal, Decimal, Decimal, Decimal, Decimal]] = field(
        default_factory=list
    )
    legs: list[Leg] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    volume: Decimal = ZERO
    stops: int = 0
    marks: list[tuple[int, list[int]]] = field(default_factory=list)

    def run(self) -> "Plain":
        people = self.population
        balances = [amount(balance) for balance in people.balance.tolist()]
        self.accounts = [AccountState(row, row, balance) for row, balance in enumerate(balances)]
        self.limits = [
            self.policy.policy.limits(TIERS[tier], suspended=suspended)
            for tier, suspended in zip(people.tier.tolist(), people.suspended.tolist(), strict=True)
        ]
        self.requirements = [limits.requirement for limits in self.limits]
        self.exposure = ZERO
        self.fund_least = self.fund
        self.stop = [level(b, s) for b, s in zip(balances, people.stop.tolist(), strict=True)]
        self.top_up = [level(b, s) for b, s in zip(balances, people.top_up.tolist(), strict=True)]
        for step in range(len(self.tape.marks)):
            self.step(step)
        return self

    def open_interest(self) -> list[tuple[int, int]]:
        """Long and short lots by instrument."""
        held = [
            [
                int(account.holding(one.id).quantity / one.lot_size)
                for account in self.accounts
                if one.id in account.positions
            ]
            for one in self.instruments
        ]
        return [
            (sum(max(lots, 0) for lots in own), sum(max(-lots, 0) for lots in own)) for own in held
        ]

    def step(self, step: int) -> None:
        self.mark(step)
        below = [row for row in range(len(self.accounts)) if self.is_below_own(row)]
        if step % self.policy.cadence == 0:
            for row, account in enumerate(self.accounts):
                if account.positions and account.is_in_breach(self.requirements[row]):
                    self.close_out(step, row)
        self.fund_least = min(self.fund_least, self.fund)
        self.exposure = sum((one.exposure for one in self.accounts if one.positions), ZERO)
        closings = [order for row in below for order in self.react(row)]
        bar = int(self.tape.bar[step])
        if step and self.tape.bar[step - 1] == bar:
            self.place_in_rounds(closings)
            return
        stopped = {row for row, _ in closings}
        exits = [
            (row, closing(self.accounts[row], symbol))
            for row, symbol in self.due(bar, "exit_time")
            if row not in stopped and self.held(row, symbol)
        ]
        self.place_in_rounds([*closings, *exits, *self.entries(bar)])

    def mark(self, step: int) -> None:
        self.marks.append((int(self.tape.times[step]) // 60, self.ticks(step)))
        marks = [tick * self.instruments[i].tick_size for i, tick in enumerate(self.ticks(step))]
        self.instruments = [
            replace(one, mark_price=mark, marked_at=NOW, realized_range=self.range_of(number))
            for number, (one, mark) in enumerate(zip(self.instruments, marks, strict=True))
        ]
        by_id = dict(enumerate(marks))
        self.accounts = [at_marks(account, by_id) for account in self.accounts]

    def range_of(self, number: int) -> Decimal:
        """The range over the policy's window of minutes, the present one the last of them."""
        first = self.marks[-1][0] - self.policy.policy.volatility_window_minutes
        ticks = [marks[number] for minute, marks in self.marks if minute > first]
        return amount((max(ticks) - min(ticks)) * 10**8 // min(ticks))

    def ticks(self, step: int) -> list[int]:
        ticks: list[int] = self.tape.marks[step].tolist()
        return ticks

    def is_below_own(self, row: int) -> bool:
        account = self.accounts[row]
        if not account.positions:
            return False
        levels = [one for one in (self.stop[row], self.top_up[row]) if one is not None]
        return bool(levels) and account.equity < max(levels)

    def close_out(self, step: int, row: int) -> None:
        account, limits = self.accounts[row], self.limits[row]
        out = close_out(account, limits, {one.symbol: one for one in self.instruments})
        fees = sum((closing.fee for closing in out.closings), ZERO)
        self.fund += fees
        deficit = max(-out.balance, ZERO)
        paid, bad_debt = cover(deficit, self.fund)
        self.fund -= paid
        for one in out.closings:
            position = one.position
            lots = position.holding.quantity - one.left.quantity
            mark = position.mark_price
            self.legs.append((step, row, position.symbol, lots, mark, one.fee))
        before = (account.balance, out.before.equity, out.before.margin)
        self.close_outs.append((step, row, *before, paid, bad_debt))
        left = dict(account.positions)
        for one in out.closings:
            del left[one.position.instrument_id]
            if one.left.quantity:
                kept = replace(one.position, holding=one.left)
                left[kept.instrument_id] = kept
        self.accounts[row] = replace(account, balance=out.balance + deficit, positions=left)

    def react(self, row: int) -> list[tuple[int, Intent]]:
        account = self.accounts[row]
        top_up, stop = self.top_up[row], self.stop[row]
        if not account.positions:
            return []
        if top_up is not None and account.equity < top_up:
            paid_in = amount(int(self.population.top_up_amount[row]))
            account = self.accounts[row] = replace(account, balance=account.balance + paid_in)
            self.top_up[row] = None
        if stop is None or account.equity >= stop:
            return []
        self.stop[row] = None
        self.stops += 1
        held = sorted(account.positions.values(), key=lambda position: position.instrument_id)
        return [(row, closing(account, position.symbol)) for position in held]

    def due(self, bar: int, column: str) -> list[tuple[int, str]]:
        entries = self.population.entries
        return [
            (int(entries.row[i]), self.instruments[int(entries.instrument[i])].symbol)
            for i in self.numbers(bar, column)
        ]

    def numbers(self, bar: int, column: str) -> list[int]:
        times = getattr(self.population.entries, column).tolist()
        opens = self.tape.times[self.tape.bar == bar][0]
        earlier = self.tape.times[self.tape.bar == bar - 1][0] if bar else -1
        return [i for i, time in enumerate(times) if time >= 0 and earlier < time <= opens]

    def held(self, row: int, symbol: str) -> bool:
        return any(position.symbol == symbol for position in self.accounts[row].positions.values())

    def entries(self, bar: int) -> list[tuple[int, Intent]]:
        entries = self.population.entries
        found = []
        for i in self.numbers(bar, "time"):
            instrument = self.instruments[int(entries.instrument[i])]
            lots = int(entries.lots[i])
            intent = Intent(
                instrument.symbol,
                lots > 0,
                abs(lots) * instrument.lot_size,
                leverage=int(entries.leverage[i]) or None,
            )
            if lots:
                found.append((int(entries.row[i]), intent))
        return found

    def place_in_rounds(self, orders: list[tuple[int, Intent]]) -> None:
        while orders:
            first: dict[int, Intent] = {}
            later = []
            for row, intent in orders:
                if row in first:
                    later.append((row, intent))
                else:
                    first[row] = intent
            for row in sorted(first):
                self.place(row, first[row])
            orders = later

    def place(self, row: int, intent: Intent) -> None:
        account = self.accounts[row]
        instrument = next(one for one in self.instruments if one.symbol == intent.symbol)
        state = RiskState(account, self.limits[row], instrument, open_orders=0)
        approval = check_order(intent, state, NOW + timedelta(seconds=1))
        if isinstance(approval, Denial):
            self.refused[approval.code] += 1
            return
        assert approval.execution is not None
        assert instrument.mark_price is not None
        if approval.opens:
            after = self.exposure + approval.change.valued_at(instrument.mark_price)
            if after > self.policy.policy.global_exposure_threshold:
                self.refused["global_exposure_exceeded"] += 1
                return
        self.volume += abs(approval.execution.size) * instrument.mark_price
        self.accounts[row] = filled(account, instrument, approval.execution)
        self.exposure += self.accounts[row].exposure - account.exposure


def filled(
    account: AccountState, instrument: InstrumentState, execution: Execution
) -> AccountState:
    fill, positions = execution.fill, dict(account.positions)
    positions.pop(instrument.id, None)
    if fill.holding.quantity:
        assert instrument.mark_price is not None
        positions[instrument.id] = OpenPosition(
            id=None,
            instrument_id=instrument.id,
            symbol=instrument.symbol,
            holding=fill.holding,
            leverage=execution.leverage,
            realized_pnl=ZERO,
            mark_price=instrument.mark_price,
        )
    balance = account.balance + fill.realized_pnl - execution.fee
    return replace(account, balance=balance, positions=positions)


def closing(account: AccountState, symbol: str) -> Intent:
    held = next(one for one in account.positions.values() if one.symbol == symbol)
    quantity = held.holding.quantity
    return Intent(symbol, quantity < 0, abs(quantity), reduce_only=True)


def level(balance: Decimal, share: int) -> Decimal | None:
    """The equity below which an agent acts, None for one that never does."""
    if not share:
        return None
    return (balance * share * UNIT).quantize(UNIT, rounding=ROUND_CEILING)
