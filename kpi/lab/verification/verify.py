"""``lab verify``: the same accounts through the lab and through the real services, digit by digit.

The services run on a database of their own. What is held against one another is the rule: order
checks, fills, close-outs, fees, who pays deficits; not what agents do by themselves.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np

from kpi.lab.cells.loop import run
from kpi.lab.cells.outcome import Outcome
from kpi.lab.errors import LabError
from kpi.lab.inputs.specs import ImpactSpec, Study
from kpi.lab.inputs.tape import Tape
from kpi.lab.verification.exchange import CloseOut, Exchange, Leg
from kpi.lab.verification.scratch import scratch_database
from kpi.lab.verification.trial import Trial, trial_of
from market.kernel.amounts import EXACT, plain
from risk.arrays.units import amount, units
from risk.engine import Intent
from risk.policy import TIERS, policy_from
from trading.demo.clock import simulated_clock
from trading.models import Side

#: So many differences are named; all are counted.
NAMED: Final = 20


class Differs(LabError):
    """The lab and the exchange do not agree."""

    code = "lab_differs"


def verify(
    study: Study,
    *,
    accounts: int = 300,
    start: datetime | None = None,
    end: datetime | None = None,
    policy: str | None = None,
    seed: int | None = None,
    threshold: Decimal | None = None,
) -> Iterator[str]:
    """Replay the first accounts of a study between two times on both sides; yields what to print.

    ``policy`` is the baseline and ``seed`` the study's first unless named. Another ``threshold``
    for the exchange's side alone shows that a difference would be found. For a command that has
    the process to itself. Raises Differs in the end where there is a difference, and LabError.
    """
    trial = trial_of(study, accounts, (start, end), (policy or study.baseline, seed))
    outcome = run(
        trial.tape, trial.population, trial.policy, impact=ImpactSpec(), fund=units(study.fund)
    )
    count = len(trial.population.balance)
    yield f"{count} accounts, {len(trial.tape.marks)} steps, policy {trial.policy.name!r}."
    with scratch_database() as name, simulated_clock(moment_of(trial.tape, 0)) as clock:
        yield f"The services replay them on the database {name}, which is dropped afterwards."
        exchange = open_exchange(trial, threshold)
        found = 0
        for line in differences(trial, outcome, exchange, clock):
            found += 1
            if found <= NAMED:
                yield line
    yield f"{summary(outcome)}; {found} differences."
    if found:
        raise Differs(f"The lab and the exchange differ {found} times; the first are named above.")


def summary(outcome: Outcome) -> str:
    outs = outcome.close_outs
    insured, unpaid = np.count_nonzero(outs.paid), np.count_nonzero(outs.bad_debt)
    return (
        f"In the lab {len(outs.row)} close-outs, {insured} insured and {unpaid} with bad debt; "
        f"{outcome.orders} orders, {sum(outcome.refused.values())} refused"
    )


def open_exchange(trial: Trial, threshold: Decimal | None) -> Exchange:
    """Open the same accounts on the services, under the same policy but for a threshold."""
    changes = {} if threshold is None else {"liquidation_threshold": threshold}
    population = trial.population
    return Exchange.open(
        instruments=trial.study.instruments,
        policy=policy_from(changes, trial.policy.policy),
        fund=trial.study.fund,
        accounts=[
            (TIERS[tier], amount(balance))
            for tier, balance in zip(population.tier, population.balance, strict=True)
        ],
    )


def differences(trial: Trial, outcome: Outcome, exchange: Exchange, clock: Any) -> Iterator[str]:
    """Go through the tape on the services; yield each difference as it shows."""
    expected, orders = close_outs_by_step(trial, outcome), orders_by_step(trial)
    refused, fund, last = Counter[str](), trial.study.fund, len(trial.tape.marks) - 1
    for step in range(last + 1):
        looks, due = step % trial.policy.cadence == 0, orders.get(step, ())
        ranges = bool(trial.policy.policy.volatility_bands)  # which each mark may widen
        if not (looks or due or ranges or step == last):
            continue
        clock.now = moment_of(trial.tape, step)
        found: Mapping[int, CloseOut] = {}
        if looks:
            found = exchange.step(prices_at(trial.tape, step))
        else:
            exchange.mark(prices_at(trial.tape, step))
        lab = expected.get(step, {})
        if found or lab:
            yield from differing(trial, step, lab, found)
            fund += sum((paid_in(one) for one in lab.values()), Decimal(0))
            if (held := exchange.fund()) != fund:
                here, there = shown(held), shown(fund)
                yield f"{when(trial.tape, step)}: fund {here} in the exchange, {there} in the lab"
        refused.update(code for row, intent in due if (code := exchange.place(row, intent)))
    yield from differing_at_the_end(trial, outcome, exchange, refused)


def paid_in(out: CloseOut) -> Decimal:
    """Return what a close-out adds to the insurance fund."""
    return sum((leg.fee for leg in out.legs), Decimal(0)) - out.insurance


def close_outs_by_step(trial: Trial, outcome: Outcome) -> dict[int, dict[int, CloseOut]]:
    """Return the lab's close-outs by step and row, as the exchange's books would have them."""
    outs, legs = outcome.close_outs, defaultdict[int, list[Leg]](list)
    for leg in range(len(outcome.legs.mark)):
        legs[int(outcome.legs.close_out[leg])].append(leg_of(trial.tape, outcome, leg))
    by_step = defaultdict[int, dict[int, CloseOut]](dict)
    for number, (step, row) in enumerate(zip(outs.step, outs.row, strict=True)):
        by_step[int(step)][int(row)] = CloseOut(
            equity_before=amount(outs.equity_before[number]),
            margin_before=amount(outs.margin_before[number]),
            legs=tuple(legs[number]),
            insurance=amount(outs.paid[number]),
            bad_debt=amount(outs.bad_debt[number]),
            balance=amount(outs.balance_after[number]),
        )
    return by_step


def leg_of(tape: Tape, outcome: Outcome, leg: int) -> Leg:
    legs, instruments = outcome.legs, tape.instruments
    instrument, lots = int(legs.instrument[leg]), int(legs.lots[leg])
    return Leg(
        symbol=instruments.symbols[instrument],
        side=Side.SELL if lots > 0 else Side.BUY,
        size=abs(lots) * instruments.lot[instrument],
        mark=int(legs.mark[leg]) * instruments.tick[instrument],
        realized=amount(legs.realized[leg]),
        fee=amount(legs.fee[leg]),
    )


def orders_by_step(trial: Trial) -> dict[int, list[tuple[int, Intent]]]:
    """Return the entries as orders, by step: each account's first by row, then the second ones."""
    entries, instruments = trial.population.entries, trial.tape.instruments
    steps = trial.tape.step_at(entries.time)
    turns = defaultdict[int, list[tuple[int, int, Intent]]](list)
    for number, step in enumerate(steps.tolist()):
        row, lots = int(entries.row[number]), int(entries.lots[number])
        instrument = int(entries.instrument[number])
        intent = Intent(
            symbol=instruments.symbols[instrument],
            is_buy=lots > 0,
            size=EXACT.multiply(abs(lots), instruments.lot[instrument]),
            leverage=int(entries.leverage[number]) or None,
        )
        turn = sum(earlier == row for _, earlier, _ in turns[step])
        turns[step].append((turn, row, intent))
    return {
        step: [(row, intent) for _, row, intent in sorted(due, key=lambda one: one[:2])]
        for step, due in turns.items()
    }


def differing(
    trial: Trial, step: int, lab: Mapping[int, CloseOut], found: Mapping[int, CloseOut]
) -> Iterator[str]:
    """Yield what differs between the close-outs of one step."""
    for row in sorted({*lab, *found}):
        where = f"{when(trial.tape, step)}, account {name_of(trial, row)}"
        if row not in found:
            yield f"{where}: closed out in the lab alone"
        elif row not in lab:
            yield f"{where}: closed out in the exchange alone"
        else:
            yield from (
                f"{where}: {name} {shown(here)} in the exchange, {shown(there)} in the lab"
                for name, here, there in zip(CloseOut._fields, found[row], lab[row], strict=True)
                if here != there
            )


def differing_at_the_end(
    trial: Trial, outcome: Outcome, exchange: Exchange, refused: Counter[str]
) -> Iterator[str]:
    """Yield what differs of the accounts once all is over, and of the orders refused on the way."""
    ends = zip(outcome.balance_end, outcome.equity_end, exchange.standings(), strict=True)
    for row, (*end, found) in enumerate(ends):
        if found != (lab := tuple(map(amount, end))):
            yield (
                f"at the end, account {name_of(trial, row)}: balance and equity {shown(found)} in "
                f"the exchange, {shown(lab)} in the lab"
            )
    if refused != Counter(outcome.refused):
        yield f"refused orders: {dict(refused)} in the exchange, {outcome.refused} in the lab"


def prices_at(tape: Tape, step: int) -> dict[str, Decimal]:
    instruments, ticks = tape.instruments, tape.marks[step].tolist()
    prices = [EXACT.multiply(n, tick) for n, tick in zip(ticks, instruments.tick, strict=True)]
    return dict(zip(instruments.symbols, prices, strict=True))


def moment_of(tape: Tape, step: int) -> datetime:
    return datetime.fromtimestamp(int(tape.times[step]), UTC)


def when(tape: Tape, step: int) -> str:
    return f"step {step} ({moment_of(tape, step):%Y-%m-%dT%H:%M:%SZ})"


def name_of(trial: Trial, row: int) -> str:
    names = trial.population.names
    return names[row] if names else str(row)


def shown(value: Any) -> str:
    """Write an amount, or amounts and legs one after the other."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value))
    return plain(value) if isinstance(value, Decimal) else str(value)
