"""What bands are, and what they leave of a leverage, held against a statement of its own."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.volatility import (
    MOST_BANDS,
    NoBands,
    bands_text,
    highest_leverage,
    read_bands,
    scaled,
)
from tests.each import each

D = Decimal
LEAST = D("0.00000001")
#: Nothing else than what is not asked for.
eight_places = st.integers(1, 499_999_999).map(lambda units: units * LEAST)
shares = st.integers(1, 99_999_999).map(lambda units: units * LEAST)


@st.composite
def bands(draw: st.DrawFn) -> tuple[tuple[Decimal, Decimal], ...]:
    """Draw bands: ranges that rise, shares that fall."""
    count = draw(st.integers(0, MOST_BANDS))
    bounds = draw(st.lists(eight_places, min_size=count, max_size=count, unique=True))
    left = draw(st.lists(shares, min_size=count, max_size=count, unique=True))
    return tuple(zip(sorted(bounds), sorted(left, reverse=True), strict=True))


@given(bands())
def test_bands_are_read_as_they_are_written(drawn: tuple[tuple[Decimal, Decimal], ...]) -> None:
    assert read_bands(bands_text(drawn)) == drawn


@each("text", ["", " ", "\t"])
def test_no_text_is_no_bands(text: str) -> None:
    assert read_bands(text) == ()


@each(
    ("text", "first"),
    [
        ("0.03: 0.75", (D("0.03"), D("0.75"))),
        (" 0.03 :0.75 ", (D("0.03"), D("0.75"))),
        ("4.99999999: 0.99999999", (D("4.99999999"), D("0.99999999"))),
        ("0.00000001: 0.00000001, 4: 0.000000001e0", None),
    ],
)
def test_a_band_is_between_its_bounds(text: str, first: tuple[Decimal, Decimal] | None) -> None:
    if first is None:
        with pytest.raises(NoBands):
            read_bands(text)
    else:
        assert read_bands(text) == (first,)


@each(
    "text",
    [
        *("5: 0.5", "0: 0.5", "-0.1: 0.5", "0.1: 1", "0.1: 0", "0.1: -0.5", "NaN: 0.5", "0.1: NaN"),
        *(
            "Infinity: 0.5",
            "0.1: Infinity",
            "0.1",
            "0.1:",
            ": 0.5",
            ":",
            ",",
            "0.1: 0.5,",
            "x: 0.5",
        ),
        *("6: 0.5", "0.1: 1.5", "0.100000006: 0.5", "0.1: 0.500000006"),
        *("0.1: x", "0.000000001: 0.5", "0.1: 0.000000001", "0.1: 0.5: 0.4"),
        # Ranges that do not rise, shares that do not fall.
        *("0.2: 0.5, 0.1: 0.4", "0.1: 0.5, 0.1: 0.4", "0.1: 0.4, 0.2: 0.5", "0.1: 0.5, 0.2: 0.5"),
        *("0.1: 0.5, 0.2: 0.4, 0.15: 0.3", "0.1: 0.5, 0.2: 0.4, 0.3: 0.45"),
        ", ".join(f"0.{n}: 0.{10 - n}" for n in range(1, MOST_BANDS + 2)),
    ],
)
def test_what_says_no_bands_is_refused(text: str) -> None:
    with pytest.raises(NoBands):
        read_bands(text)


def test_as_many_bands_as_there_may_be_are_read() -> None:
    text = ", ".join(f"0.{n}: 0.{10 - n}" for n in range(1, MOST_BANDS + 1))
    assert len(read_bands(text)) == MOST_BANDS == 8


@given(st.integers(1, 200), bands(), st.none() | eight_places)
def test_the_highest_band_that_is_reached_applies(
    tiers: int, drawn: tuple[tuple[Decimal, Decimal], ...], realized: Decimal | None
) -> None:
    """Its share of the tier's leverage, cut, and one at least; outside of all the tier's own."""
    share = Fraction(1)
    for bound, left in drawn:
        if realized is not None and Fraction(realized) >= Fraction(bound):
            share = Fraction(left)
    expected = tiers if share == 1 else max(1, int(tiers * share))
    assert highest_leverage(tiers, bands_text(drawn), realized) == expected


@each(
    ("realized", "left"),
    [("0.02999999", 20), ("0.03", 15), ("0.05999999", 15), ("0.06", 10), ("4", 10)],
)
def test_a_band_begins_at_its_bound(realized: str, left: int) -> None:
    assert highest_leverage(20, "0.03: 0.75, 0.06: 0.5", D(realized)) == left


@each(("tiers", "share", "left"), [(5, "0.75", 3), (1, "0.5", 1), (3, "0.34", 1), (100, "0.07", 7)])
def test_a_share_is_cut_to_a_whole_number_and_is_one_at_least(
    tiers: int, share: str, left: int
) -> None:
    assert scaled(tiers, D(share)) == left
