"""Maintenance brackets give the figures that exchanges publish, and what they promise holds."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import UNIT
from risk.maintenance import (
    BRACKETS,
    INITIAL_SHARE,
    LONGEST_TEXT,
    Bracket,
    Ladder,
    NoLadders,
    Requirement,
    bracket_of,
    ladders_text,
    liquidation_price,
    maintenance,
    read_ladders,
)
from tests.each import each

D = Decimal
TEXT = (
    "BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x, 3000000: 0.0065 75x, 12000000: 0.01 50x; "
    "ETHUSDT 50000: 0.01 50x"
)
LADDER = read_ladders(TEXT)["BTCUSDT"]


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    """Return any ladder of up to twelve brackets."""
    many = draw(st.integers(1, 12))

    def distinct(values: st.SearchStrategy[int]) -> list[int]:
        return sorted(draw(st.lists(values, min_size=many, max_size=many, unique=True)))

    caps = distinct(st.integers(1, 10**9))
    shares = distinct(st.integers(1, 999))
    leverages = reversed(distinct(st.integers(1, 200)))
    said = ", ".join(
        f"{cap}: {share * 10**5 // leverage * UNIT:f} {leverage}x"
        for cap, share, leverage in zip(caps, shares, leverages, strict=True)
    )
    return read_ladders(f"XY {said}")["XY"]


notionals = st.decimals(0, 2 * 10**9, places=8)


def test_what_is_taken_off_follows_from_caps_and_rates() -> None:
    assert [bracket.cumulative for bracket in LADDER] == [0, 300, 1_500, 12_000]
    assert [bracket.max_leverage for bracket in LADDER] == [150, 100, 75, 50]


@each(
    ("notional", "requires", "highest"),
    [
        ("0", "0", 150),
        ("300000", "1200", 150),
        ("300000.00000001", "1200.00000000005", 100),
        ("800000", "3700", 100),
        ("3000000", "18000", 75),
        ("12000000", "108000", 50),
        ("13000000", "118000", None),
    ],
)
def test_maintenance_of_the_worked_example(
    notional: str, requires: str, highest: int | None
) -> None:
    assert maintenance(D(notional), LADDER) == D(requires)
    bracket = bracket_of(D(notional), LADDER)
    assert (bracket and bracket.max_leverage) == highest


@given(ladders(), notionals)
def test_the_bracket_of_a_notional_is_the_one_that_requires_most(
    ladder: Ladder, notional: Decimal
) -> None:
    """Beyond the last cap the last rate goes on."""
    bracket = bracket_of(notional, ladder) or ladder[-1]
    assert maintenance(notional, ladder) == bracket.maintenance(notional)
    assert 0 <= maintenance(notional, ladder) <= notional


@given(ladders(), notionals)
def test_what_opens_a_position_brings_what_it_then_requires(
    ladder: Ladder, notional: Decimal
) -> None:
    bracket = bracket_of(notional, ladder)
    if bracket is not None:
        assert maintenance(notional, ladder) * bracket.max_leverage <= notional


@given(ladders())
def test_maintenance_goes_on_from_bracket_to_bracket(ladder: Ladder) -> None:
    for below, above in pairwise(ladder):
        assert below.maintenance(below.cap) == above.maintenance(below.cap)


@given(st.dictionaries(st.sampled_from(["AB", "BTCUSDT", "9X"]), ladders()))
def test_the_text_of_ladders_reads_back(said: Mapping[str, Ladder]) -> None:
    text = ladders_text(said)
    assert read_ladders(text) == dict(said)
    lines = text.replace("; ", "\n")
    assert read_ladders(lines) == dict(said)


def test_the_text_is_the_same_however_it_was_written() -> None:
    spelled = " ETHUSDT 50000:0.0100  50x\nBTCUSDT 00300000: 0.004 150x 0,800000:0.005 100x 300.00;"
    assert ladders_text(read_ladders(spelled)) == (
        "BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 50000: 0.01 50x"
    )


@each(
    "next_one",
    [
        *("300000: 0.005 100x", "299999: 0.005 100x"),
        *("800000: 0.004 100x", "800000: 0.003 100x"),
        *("800000: 0.005 150x", "800000: 0.005 151x"),
    ],
)
def test_from_bracket_to_bracket_caps_and_rates_rise_and_leverage_falls(next_one: str) -> None:
    assert read_ladders("BTCUSDT 300000: 0.004 150x, 300001: 0.00400001 149x")
    with pytest.raises(NoLadders):
        read_ladders(f"BTCUSDT 300000: 0.004 150x, {next_one}")


@each(
    "wrong",
    [
        *("0: 0.004 150x", "300000: 0.0 150x", "300000: 0.004 0x"),
        *("300000: 0.00001 32768x", "300000: 0.004 251x"),
        *("0: 0.004 150x, 9: 0.005 100x", "8: 0.0 150x, 9: 0.005 100x"),
        *("8: 0.004 150x, 9: 0.005 0x", "8: 0.00001 32768x, 9: 0.00002 9x"),
    ],
)
def test_a_bracket_has_a_cap_a_rate_and_a_leverage_that_it_allows(wrong: str) -> None:
    assert read_ladders("BTCUSDT 1: 0.00001 32767x; ETHUSDT 1: 0.004 250x")
    with pytest.raises(NoLadders):
        read_ladders(f"BTCUSDT {wrong}")


def test_the_longest_text_is_one_that_is_stored() -> None:
    """Of 312 ladders, each of 14 characters and two between; the last symbol has ten more."""
    symbols = [*(f"S{number:03}" for number in range(311)), "S999AAAAAAAAAA"]
    longest = "; ".join(f"{symbol} 1: 0.1 5x" for symbol in symbols)
    assert len(longest) == LONGEST_TEXT
    assert ladders_text(read_ladders(longest)) == longest
    for longer in ("A", "AA"):
        with pytest.raises(NoLadders):
            read_ladders(longest.replace("AAAA", f"AAAA{longer}"))


def one(rate: str, cumulative: str) -> Ladder:
    """Return the bracket that the published example says a position is in."""
    return (Bracket(D(10**15), D(rate), 1, D(cumulative)),)


def test_the_published_example_of_two_positions_that_share_a_wallet() -> None:
    """Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts", cross margin."""
    eth, btc = one("0.10", "135365"), one("0.025", "16300")
    of_eth = D("3683.979"), D("1456.84"), D("1335.18")
    of_btc = D("109.488"), D("32481.98"), D("31967.27")
    wallet = D("1535443.01")
    equity = wallet + sum(size * (mark - entry) for size, entry, mark in (of_eth, of_btc))
    prices = [
        liquidation_price(
            quantity=size,
            mark_price=mark,
            spare=equity - maintenance(other[0] * other[2], ladder_of_other),
            ladder=ladder,
        )
        for (size, _, mark), ladder, other, ladder_of_other in (
            (of_eth, eth, of_btc, btc),
            (of_btc, btc, of_eth, eth),
        )
    ]
    assert [round(price or D(0), 2) for price in prices] == [D("1153.26"), D("26316.89")]


@each(
    ("quantity", "mark", "spare", "ladder", "price"),
    [
        ("1", "10", "2", one("0.01", "0.01"), "8.07070707"),
        ("-1", "10", "2", one("0.01", "0.01"), "11.89108911"),
        ("1", "121662.41", "12166.241", LADDER, "109935.9126506"),
        # 10 at 100,000 require 5,000 beyond 800,000; at 60,000 they are in the bracket below.
        ("10", "100000", "402700", LADDER, "60000"),
        ("-5", "100000", "30000", LADDER, "105532.33830846"),
        ("1", "100", "100", LADDER, None),
        ("1", "100", "200", LADDER, None),
        ("1", "100", "99.505", one("0.01", "0"), "0.5"),
    ],
)
def test_the_liquidation_price(
    quantity: str, mark: str, spare: str, ladder: Ladder, price: str | None
) -> None:
    found = liquidation_price(
        quantity=D(quantity), mark_price=D(mark), spare=D(spare), ladder=ladder
    )
    assert found == (None if price is None else D(price))


@given(
    ladder=ladders(),
    quantity=st.decimals("0.00001", "100000", places=5),
    short=st.booleans(),
    mark=st.decimals("0.01", "1000000", places=2),
    spare=st.decimals("-1000000", "1000000", places=8),
)
def test_the_liquidation_price_is_where_equity_is_what_is_required(
    ladder: Ladder, quantity: Decimal, short: bool, mark: Decimal, spare: Decimal
) -> None:
    """The bracket in which the price lies is the one of the notional at that price."""
    signed = -quantity if short else quantity
    price = liquidation_price(quantity=signed, mark_price=mark, spare=spare, ladder=ladder)
    if price is None:
        return

    def slack(at: Decimal) -> Fraction:
        bracket = bracket_of(quantity * at, ladder) or ladder[-1]
        required = Fraction(quantity * at) * Fraction(bracket.rate) - Fraction(bracket.cumulative)
        return Fraction(spare) + Fraction(signed) * (Fraction(at) - Fraction(mark)) - required

    worse = -UNIT if signed > 0 else UNIT
    assert slack(price + worse) < 0 <= slack(price - worse)


def test_what_a_position_requires_by_each_mode() -> None:
    position = {"quantity": D(-8), "mark_price": D(50_000), "margin": D(40_000)}
    half = Requirement(D("0.5"), INITIAL_SHARE, TEXT)
    assert half.of("BTCUSDT", **position) == 20_000
    # A mode that was read has the letters of the constant, and is no more the same object.
    by_brackets = Requirement(D("0.5"), "".join(BRACKETS), TEXT)
    assert by_brackets.of("BTCUSDT", **position) == 1_700
    assert by_brackets.of("DOGEUSDT", **position) == 20_000
