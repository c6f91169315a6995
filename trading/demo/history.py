"""A lively past for a demo: agents trade by the real services through days of simulated prices.

The seed alone decides prices and orders. Facts bear simulated times, from ``days`` ago until now,
and the exchange must be empty before, so that no fact is younger than one that follows it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import Account, Tier, User
from accounts.services import create_user, deposit, withdraw
from market.kernel.amounts import round_to_multiple
from market.models import Instrument
from risk.selectors import account_states
from risk.state import AccountState
from trading.demo.agents import Listing, View, go_all_in, tickets_of
from trading.demo.clock import SimulatedClock, simulated_clock
from trading.demo.data import TRADERS, seed_demo
from trading.demo.prices import MINUTE, crash_step, price_path, step_times
from trading.errors import NotEmpty
from trading.models import OPEN_STATUSES, Order
from trading.services import cancel_order, place_orders
from trading.steps.by_hand import step_at_prices

#: How many half-hours a trend spans, and the share of agents that act in each step, in percent.
TREND_STEPS: Final = 8
ACTIVITY: Final = 30
ACTIVITY_OF_A_MINUTE: Final = 8
CENT: Final = Decimal("0.01")

#: Wraps the moments of the steps, to show progress.
Progress = Callable[[Sequence[datetime]], Iterable[datetime]]


@dataclass(frozen=True, slots=True)
class Agent:
    """A trader of the demo with the balance it began with, in USDT."""

    account: Account
    tier: Tier
    opening_balance: Decimal


@dataclass(slots=True)
class Run:
    """A history in the making."""

    agents: Sequence[Agent]
    rng: Random
    clock: SimulatedClock
    instruments: Mapping[str, Instrument]
    path: list[dict[str, Decimal]] = field(default_factory=list)

    def listings(self) -> dict[str, Listing]:
        now, before = self.path[-1], self.path[max(0, len(self.path) - 1 - TREND_STEPS)]
        return {
            symbol: Listing(
                now[symbol], row.tick_size, row.lot_size, now[symbol] / before[symbol] - 1
            )
            for symbol, row in self.instruments.items()
        }


def seed_history(
    *,
    traders: int,
    days: int,
    seed: str,
    progress: Progress = iter,
    after_step: Callable[[], object] = lambda: None,
) -> list[str]:
    """Fill an empty exchange with ``days`` days of trading and return a line per thing created.

    ``after_step`` is called at the end of each market step, under the simulated clock. Raises
    NotEmpty where anybody has an account.
    """
    if User.objects.exists():
        raise NotEmpty
    times = step_times(end=timezone.now(), days=days)
    with simulated_clock(times[0] - MINUTE) as clock:
        done = seed_demo()
        run = Run(create_agents(traders), Random(seed), clock, by_symbol())  # noqa: S311
        prices = price_paths(run.instruments, times, seed=seed)
        for number, (moment, marks) in enumerate(zip(progress(times), prices, strict=True)):
            step(run, moment, marks, until=following(times, moment))
            if number == crash_step(times) - 1:
                tempt(run)
            after_step()
    return [*done, f"history of {traders} traders over {days} days"]


def by_symbol() -> dict[str, Instrument]:
    return {row.symbol: row for row in Instrument.objects.order_by("symbol")}


def price_paths(
    instruments: Mapping[str, Instrument], times: Sequence[datetime], *, seed: str
) -> list[dict[str, Decimal]]:
    """Return the prices of each step by symbol, going on from the present marks."""
    paths = []
    for symbol, row in instruments.items():
        assert row.mark_price is not None
        rng = Random(f"{seed}/{symbol}")  # noqa: S311
        paths.append(
            price_path(times, start=row.mark_price, symbol=symbol, tick_size=row.tick_size, rng=rng)
        )
    return [dict(zip(instruments, marks, strict=True)) for marks in zip(*paths, strict=True)]


def create_agents(traders: int) -> list[Agent]:
    """Return the demo users and as many more as asked for, the tiers in turn."""
    agents = []
    for number in range(traders):
        kind = TRADERS[number % len(TRADERS)]
        name = kind.tier.value
        if number < len(TRADERS):
            user = User.objects.get(username=name)
        else:
            name = f"{name}-{number // len(TRADERS) + 1}"
            user = create_user(username=name, tier=kind.tier, opening_balance=kind.balance)
        agents.append(Agent(user.account, kind.tier, kind.balance))
    return agents


def following(times: Sequence[datetime], moment: datetime) -> timedelta:
    """Return how long the step that begins at ``moment`` lasts; the last one takes no time."""
    return next((later - moment for later in times if later > moment), timedelta())


def step(run: Run, moment: datetime, marks: dict[str, Decimal], *, until: timedelta) -> None:
    """Run one market step at ``marks``, then let some agents act, spread over its time."""
    run.clock.now = moment
    run.path.append(marks)
    step_at_prices(marks)
    activity = ACTIVITY if until > MINUTE else ACTIVITY_OF_A_MINUTE
    chosen = [agent for agent in run.agents if run.rng.randrange(100) < activity]
    states = account_states([agent.account.pk for agent in chosen])
    resting = resting_orders(chosen)
    pause = until / (len(run.agents) + 1)
    for agent in chosen:
        run.clock.advance(pause)
        act(run, agent, states[agent.account.pk], resting[agent.account.pk])
    run.clock.now = moment + until * 19 / 20


def resting_orders(agents: Sequence[Agent]) -> dict[int, int]:
    """Return how many open orders each agent has, by account id."""
    is_open = Count("orders", filter=Q(orders__status__in=OPEN_STATUSES))
    accounts = Account.objects.filter(pk__in=[agent.account.pk for agent in agents])
    return dict(accounts.annotate(resting=is_open).values_list("id", "resting"))


def act(run: Run, agent: Agent, state: AccountState, resting: int) -> None:
    """Let an agent move money, take back a stale order and place what its strategy asks for."""
    move_money(run, agent, state)
    if resting and run.rng.randrange(3) == 0:
        stale = Order.objects.filter(account=agent.account, status__in=OPEN_STATUSES)
        cancel_order(order_id=stale.order_by("id")[0].pk, user_id=state.user_id)
    view = View(run.listings(), holdings(state), state.equity, resting)
    tickets = tickets_of(agent.tier, view, run.rng)
    if tickets:
        place_orders(user_id=state.user_id, tickets=tickets)


def tempt(run: Run) -> None:
    """Let the last beginner bet everything, so that every history has an insurance payment."""
    agent = [agent for agent in run.agents if agent.tier == Tier.BEGINNER][-1]
    deposit(account=agent.account, amount=agent.opening_balance / 10, reason="Top-up")
    state = account_states([agent.account.pk])[agent.account.pk]
    view = View(run.listings(), holdings(state), state.equity, resting=0)
    place_orders(user_id=state.user_id, tickets=go_all_in(view, "ETHUSDT"))


def holdings(state: AccountState) -> dict[str, Decimal]:
    """Return the signed quantities that an account holds, by symbol."""
    return {p.symbol: p.holding.quantity for p in state.positions.values()}


def move_money(run: Run, agent: Agent, state: AccountState) -> None:
    """Top up an account that lost most of its money; take profits out of a flat one."""
    opening = agent.opening_balance
    if state.equity < opening / 4 and run.rng.randrange(4) == 0:
        deposit(account=agent.account, amount=opening / 2, reason="Top-up")
    elif not state.positions and not state.reserved_margin and state.balance > opening * 6 / 5:
        profit = round_to_multiple((state.balance - opening) / 2, CENT)
        withdraw(account=agent.account, amount=profit, reason="Profits")
