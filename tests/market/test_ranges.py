"""The range beside a mark is that of all marks in the window, whatever was kept of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.models import Instrument, MarkRange, PriceOrigin
from market.quotes import Quote
from market.services import record_marks
from tests.each import each

START = datetime(2026, 1, 5, 23, 58, tzinfo=UTC)
TAPE = datetime(2025, 10, 10, 20, 50, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: Within a minute, over a minute's, an hour's and a day's bound, and just to it and past it.
GAPS = (0.25, 1, 20, 60, 61, 1_700, 3_599, 3_600, 40_000, 86_340, 86_400, 90_000)


@dataclass(frozen=True)
class Step:
    """A mark some seconds after the last one of its clock, and the window of that step.

    ``replayed`` marks have the time of a tape; ``rewound`` ones have it begin again.
    """

    seconds: float
    price: int
    minutes: int
    replayed: bool = False
    rewound: bool = False


steps = st.builds(
    Step,
    seconds=st.sampled_from(GAPS),
    price=st.integers(90, 110) | st.integers(1, 10**11),
    minutes=st.sampled_from([1, 2, 59, 60, 61, 1_439, 1_440]) | st.integers(1, 1_440),
    replayed=st.sampled_from([False] * 5 + [True] * 2),
    rewound=st.sampled_from([False] * 7 + [True]),
)


class Marks:
    """Marks an instrument step by step, and remembers all that the market's clock has seen."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.now, self.tape, self.replayed = START, TAPE, False
        self.seen: list[tuple[datetime, int]] = []

    def step(self, step: Step) -> None:
        gap = timedelta(seconds=step.seconds)
        self.now += gap
        before, self.tape = self.tape, TAPE if step.rewound else self.tape + gap
        if step.replayed != self.replayed or (step.replayed and self.tape < before):
            self.seen.clear()
        self.replayed = step.replayed
        price = Decimal(step.price) / 100
        market_time = self.tape if step.replayed else None
        quote = Quote(price, PriceOrigin.SIMULATION, market_time=market_time)
        self.seen.append((market_time or self.now, step.price))
        marks = {self.instrument.pk: quote}
        record_marks(quotes=marks, now=self.now, window_minutes=step.minutes)
        self.instrument.refresh_from_db()

    def plain(self, minutes: int) -> Decimal:
        """Return the range of all marks since the window's first minute opened."""
        latest = self.seen[-1][0]
        opened = latest.replace(second=0, microsecond=0) - (minutes - 1) * MINUTE
        prices = [price for moment, price in self.seen if moment >= opened]
        share = Fraction(max(prices) - min(prices), min(prices))
        return Decimal(int(share * 10**8)) / 10**8


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(steps, min_size=6, max_size=12))
def test_it_is_the_range_of_all_marks_of_the_window(btc: Instrument, way: list[Step]) -> None:
    """With gaps of less than a minute to more than a day, and replays that begin, go back and end.

    A replay has its own clock, in which nothing of another one has happened.
    """
    with undone():
        marks = Marks(btc)
        for step in way:
            marks.step(step)
            assert btc.realized_range == marks.plain(step.minutes)


@each(
    ("seconds", "minutes", "expected"),
    [
        # The mark at 23:59:59 is in the minute before: two minutes hold both, one does not.
        (1, 1, "0"),
        (1, 2, "0.1"),
        (3_601, 61, "0"),
        (3_601, 62, "0.1"),
        # A day of minutes: a mark at 23:59:59 is in it until 23:58:59 of the next day.
        (86_340, 1_440, "0.1"),
        (86_341, 1_440, "0"),
    ],
)
def test_a_window_ends_with_a_minute(
    btc: Instrument, seconds: int, minutes: int, expected: str
) -> None:
    marks = Marks(btc)
    marks.now = datetime(2026, 1, 5, 23, 59, 59, tzinfo=UTC)
    marks.step(Step(0, 100, minutes))
    marks.step(Step(seconds, 110, minutes))
    assert btc.realized_range == Decimal(expected)


def test_nothing_is_cut_off_that_a_bound_needs(btc: Instrument) -> None:
    """A share of 2 ÷ 3 has no last digit; it is cut, so that no bound is reached too early."""
    marks = Marks(btc)
    marks.step(Step(0, 300, 60))
    marks.step(Step(1, 500, 60))
    assert btc.realized_range == Decimal("0.66666666")


def test_what_no_window_reaches_is_forgotten(btc: Instrument) -> None:
    """Of thirty hours a day's minutes and hours stay, and an hour's besides."""
    marks = Marks(btc)
    for _ in range(30):
        marks.step(Step(1_800, 100, 1_440))
        marks.step(Step(1_800, 100, 1_440))
    kept = MarkRange.objects.filter(instrument=btc)
    assert kept.filter(seconds=60).count() == 51
    assert kept.filter(seconds=3_600).count() == 25
