"""Liquidity at risk: the notional of the accounts that a move of all marks puts in breach."""

import numpy as np

from kpi.lab.cells.metrics import LAR_MOVES
from kpi.lab.cells.outcome import Sample
from risk.arrays.maintenance import Requirements
from risk.arrays.units import Whole, total


def at_risk(sample: Sample, worth: Whole, by: Requirements) -> list[int]:
    """Return it at a sample for each of LAR_MOVES, down or up, whichever is more.

    ``worth`` is what a lot of each instrument is worth there. A move is taken exactly, though it be
    no whole tick; where brackets require by notional, that is taken to a unit below.
    """
    gross, net = worth @ np.abs(sample.lots), worth @ sample.lots
    found, still = list[int](), slack_after(sample, worth, by, 0)
    for move in LAR_MOVES:
        sides = []
        for way, percent in ((net, -move), (-net, move)):
            slack = slack_after(sample, worth, by, percent) if by.follow_marks else still
            sides.append(total(gross[slack < -(-way * move // 100)]))
        found.append(max(sides))
    return found


def slack_after(sample: Sample, worth: Whole, by: Requirements, percent: int) -> Whole:
    """Return present equity above what is required once all marks have moved by so much."""
    high, low = np.divmod(worth[:, None] * np.abs(sample.lots), 100)
    moved = high * (100 + percent) + low * (100 + percent) // 100
    return sample.equity - by.needed(moved, sample.margin)
