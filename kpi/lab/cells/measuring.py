"""Takes the metrics of a cell from its outcome, as ``metrics.py`` defines them.

Amounts are summed in whole numbers of any length; a float says at most which account or bar counts,
or a ratio, and only by operations that are the same on every machine.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.at_risk import at_risk
from kpi.lab.cells.metrics import (
    ABOUT_BURST_SECONDS,
    BURST_SECONDS,
    LAR_MOVES,
    METRICS,
    RECOVERY_SECONDS,
)
from kpi.lab.cells.outcome import Outcome, Sample
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.specs import LabPolicy
from kpi.lab.inputs.tape import Tape
from market.kernel.amounts import EXACT, plain, round_half_even
from risk.arrays.maintenance import requirements
from risk.arrays.units import Whole, amount, total
from risk.denials import DENIALS
from risk.maintenance import requirement_of
from risk.policy import TIERS

Value = str | int | None


def measure(
    outcome: Outcome, tape: Tape, population: Population, policy: LabPolicy
) -> dict[str, Value]:
    """Return every metric of METRICS, in its order."""
    cell = _Cell(outcome, tape, population, policy)
    parts = (cell.close_outs(), cell.shortfall(), cell.exposure(), cell.traders())
    found = {name: value for part in parts for name, value in part}
    return {name: found[name] for name in METRICS}


Found = Iterator[tuple[str, Value]]


class _Cell:
    """What the metrics of a cell are taken from."""

    def __init__(
        self, outcome: Outcome, tape: Tape, population: Population, policy: LabPolicy
    ) -> None:
        self.outcome, self.tape, self.policy = outcome, tape, policy
        self.population, self.unit = population, tape.instruments.unit
        self.opens = tape.times[np.searchsorted(tape.bar, np.arange(len(outcome.bars.fund)))]
        bars = outcome.bars
        lots = np.abs(bars.long_lots) + np.abs(bars.short_lots)
        worth = self.unit[:, None].astype(object) * lots * bars.marks
        self.open_interest: list[int] = worth.sum(axis=0).tolist()
        self.samples = [(sample, *self._notionals(sample)) for sample in outcome.samples]

    def close_outs(self) -> Found:
        legs, rows = self.outcome.legs, self.outcome.close_outs.row
        notional = self.unit[legs.instrument] * np.abs(legs.lots) * legs.mark
        whole, long = total(notional), total(notional[legs.lots > 0])
        yield "close_outs", len(rows)
        yield from self._distinct("accounts_closed_out", rows)
        yield from self._amounts("liquidated_notional", notional, rows[legs.close_out])
        yield "liquidated_long", usdt(long)
        yield "liquidated_short", usdt(whole - long)
        yield "liquidated_share", ratio(whole, max(self.open_interest))
        yield "liquidated_long_share", ratio(long, whole)
        yield "liquidated_burst_share", self._burst_share()
        yield "cascade_depth", self._longest_run()
        yield "impact_largest", _largest_move(self.outcome.impact)

    def shortfall(self) -> Found:
        outcome, outs = self.outcome, self.outcome.close_outs
        paid, bad_debt, dry = total(outs.paid), total(outs.bad_debt), outcome.fund_empty_step
        yield "shortfall", usdt(paid + bad_debt)
        yield "insurance_paid", usdt(paid)
        yield "bad_debt", usdt(bad_debt)
        yield "liquidation_fees", usdt(total(outs.fee))
        yield "fund_end", usdt(outcome.books.fund)
        yield "fund_minimum", usdt(outcome.fund_minimum)
        yield "fund_ran_dry", int(dry >= 0)
        yield "fund_ran_dry_at", int(self.tape.times[dry]) if dry >= 0 else None

    def exposure(self) -> Found:
        held = self.open_interest
        for move, most in zip(LAR_MOVES, self._at_risk(), strict=True):
            yield f"lar_{move}", usdt(most)
        yield "exposure_peak", usdt(self.outcome.peak_exposure)
        yield "open_interest_peak", usdt(max(held))
        yield "open_interest_mean", ratio(sum(held), len(held) * 10**8)
        yield "open_interest_fall", self._fall()
        levered = self._leverages()
        yield "leverage_p50", _nearest_rank(levered, 50)
        yield "leverage_p95", _nearest_rank(levered, 95)

    def traders(self) -> Found:
        outcome = self.outcome
        yield "orders", outcome.orders
        yield "refused", sum(outcome.refused.values())
        for code in DENIALS:
            yield f"refused_{code}", outcome.refused.get(code, 0)
        yield "volume", usdt(outcome.volume)
        yield "stops", outcome.stops
        yield "top_ups", usdt(total(outcome.top_ups))
        lost = self._opening_equity() + outcome.top_ups - outcome.equity_end
        yield from self._amounts("traders_loss", lost, np.arange(len(lost)))
        yield "lost_before_recovery", usdt(self._lost_before_recovery())
        yield "books_difference", usdt(outcome.books.difference)

    def _amounts(self, name: str, amounts: Whole, rows: Whole) -> Found:
        """Yield the sum of accounts' amounts, and that of each tier."""
        yield name, usdt(total(amounts))
        tiers = self.population.tier[rows]
        for n, tier in enumerate(TIERS):
            yield f"{name}_{tier}", usdt(total(amounts[tiers == n]))

    def _distinct(self, name: str, rows: Whole) -> Found:
        """Yield the number of accounts among rows, and that of each tier."""
        accounts = np.unique(rows)
        yield name, len(accounts)
        counts = np.bincount(self.population.tier[accounts], minlength=len(TIERS))
        for tier, count in zip(TIERS, counts.tolist(), strict=True):
            yield f"{name}_{tier}", count

    def _burst_share(self) -> str | None:
        """Return what the worst BURST_SECONDS liquidated, as a share of the hours about them."""
        bars, opens = self.outcome.bars, self.opens
        sums = np.append(0, np.cumsum((bars.closed_long + bars.closed_short).astype(object)))
        bursts = sums[np.searchsorted(opens, opens + BURST_SECONDS)] - sums[:-1]
        worst = int(bursts.argmax())
        before = (ABOUT_BURST_SECONDS - BURST_SECONDS) // 2
        about = opens[worst] - before, opens[worst] - before + ABOUT_BURST_SECONDS
        first, last = np.searchsorted(opens, about)
        return ratio(int(bursts[worst]), int(sums[last] - sums[first]))

    def _longest_run(self) -> int:
        """Return the most bars, or looks, in succession that each closed somebody out."""
        bars = np.unique(self.tape.bar[self.outcome.close_outs.step])
        if not len(bars):
            return 0
        steps_a_bar = len(self.tape.marks) // len(self.opens)
        breaks = np.flatnonzero(np.diff(bars) > max(1, -(-self.policy.cadence // steps_a_bar)))
        return int(np.diff(np.concatenate(([-1], breaks, [len(bars) - 1]))).max())

    def _at_risk(self) -> list[int]:
        """Return LaR for each of LAR_MOVES, each of the sample where it is largest."""
        by = requirements(requirement_of(self.policy.policy), self.tape.instruments.symbols)
        found = [at_risk(sample, self._worth(sample), by) for sample, _, _ in self.samples]
        return [max(moves) for moves in zip([0] * len(LAR_MOVES), *found, strict=True)]

    def _notionals(self, sample: Sample) -> tuple[Whole, Whole]:
        """Return each account's gross and net notional at the end of a sampled bar."""
        worth = self._worth(sample)
        return worth @ np.abs(sample.lots), worth @ sample.lots

    def _worth(self, sample: Sample) -> Whole:
        """Return what a lot of each instrument is worth at the end of a sampled bar."""
        worth: Whole = self.unit * self.outcome.bars.marks[:, self.tape.bar[sample.step]]
        return worth

    def _leverages(self) -> NDArray[np.float64]:
        """Return gross notional ÷ equity of all solvent accounts of all samples."""
        solvent = [(sample.equity, gross, sample.equity > 0) for sample, gross, _ in self.samples]
        return np.concatenate(
            [np.empty(0), *(gross[keep] / equity[keep] for equity, gross, keep in solvent)]
        )

    def _fall(self) -> str | None:
        """Return the largest fall of open interest within a day, as a share of where it began."""
        held = np.array(self.open_interest, np.float64)
        ends = np.searchsorted(self.opens, self.opens + RECOVERY_SECONDS)
        falls = held + rolling_maximum(-held, ends)
        start = int(falls.argmax())
        return f"{falls[start] / held[start]:.8f}" if held[start] else None

    def _opening_equity(self) -> Whole:
        """Return opening balances, and what positions held at the start were worth above cost."""
        population = self.population
        worth = (self.unit * self.tape.marks[0]) @ population.lots
        return self.outcome.opening + worth - population.cost.sum(axis=0)

    def _lost_before_recovery(self) -> int:
        """Sum the losses of closed positions whose mark came back to the entry price in time."""
        legs, marks = self.outcome.legs, self.outcome.bars.marks
        ends = np.searchsorted(self.opens, self.opens + RECOVERY_SECONDS)
        bar = self.tape.bar[self.outcome.close_outs.step[legs.close_out]]
        best = np.stack([rolling_maximum(marks, ends), rolling_maximum(-marks, ends)])
        side = (legs.lots < 0).astype(np.intp)
        come = best[side, legs.instrument, bar] - np.where(side, -legs.mark, legs.mark)
        lost = np.maximum(-legs.realized, 0)
        needed = -(-lost // (self.unit[legs.instrument] * np.abs(legs.lots)))
        return total(lost[come >= needed])


def usdt(units: int) -> str:
    return plain(amount(units))


def ratio(part: int, whole: int) -> str | None:
    """Return a quotient of eight places; None without a whole."""
    return plain(round_half_even(EXACT.divide(Decimal(part), Decimal(whole)))) if whole else None


def rolling_maximum(values: NDArray[Any], ends: Whole) -> NDArray[Any]:
    """Return the largest of ``values[..., n:ends[n]]`` for each n; no window is empty.

    Each window is covered by two spans of the largest power of two that fits.
    """
    lengths = ends - np.arange(len(ends))
    largest, spans, size = values.copy(), values, 1
    while size <= lengths.max():
        (fits,) = np.nonzero((lengths >= size) & (lengths < 2 * size))
        largest[..., fits] = np.maximum(spans[..., fits], spans[..., ends[fits] - size])
        spans = (
            np.maximum(spans[..., :-size], spans[..., size:]) if spans.shape[-1] > size else spans
        )
        size *= 2
    return largest


def _largest_move(impact: NDArray[np.float64] | None) -> str | None:
    """Return the largest move of a mark in percent, of moves as log prices."""
    if impact is None:
        return None
    down, up = float(impact.min(initial=0)), float(impact.max(initial=0))
    return f"{100 * max(math.expm1(up), -math.expm1(down)):.6f}"


def _nearest_rank(values: NDArray[np.float64], percent: int) -> str | None:
    """Return the least of the values that ``percent`` of them do not exceed."""
    if not len(values):
        return None
    place = -(-percent * len(values) // 100) - 1
    return f"{np.partition(values, place)[place]:.8f}"
