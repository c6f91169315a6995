"""What a ladder of brackets lets a position come to, and what a refusal says of it."""

from decimal import Decimal

import pytest

from risk.brackets import beyond_brackets, highest_by_brackets
from risk.maintenance import BRACKETS, INITIAL_SHARE, Requirement
from tests.each import each

D = Decimal
TEXT = "BTCUSDT 300: 0.004 100x, 800: 0.005 50x, 3000: 0.01 20x"
BY = Requirement(D("0.5"), BRACKETS, TEXT)


@each(
    ("notional", "highest"),
    [("0", 100), ("300", 100), ("300.01", 50), ("800.01", 20), ("3000", 20)],
)
def test_up_to_its_bracket_a_leverage_is_asked_nothing(notional: str, highest: int) -> None:
    assert highest_by_brackets(BY, "BTCUSDT", D(notional)) == highest
    for leverage in (None, 1, highest - 1, highest):
        assert beyond_brackets(BY, "BTCUSDT", D(notional), leverage) is None


def test_a_leverage_above_that_of_the_bracket_is_told_which_it_may_have() -> None:
    denial = beyond_brackets(BY, "BTCUSDT", D(800), 51)
    assert denial is not None
    assert denial.code == "leverage_exceeds_bracket"
    assert "worth 800 USDT may have a leverage of up to 50, not 51" in denial.detail


@pytest.mark.parametrize("leverage", [None, 1])
def test_beyond_the_last_bracket_the_last_cap_is_told(leverage: int | None) -> None:
    denial = beyond_brackets(BY, "BTCUSDT", D("3000.00000001"), leverage)
    assert denial is not None
    assert denial.code == "position_exceeds_brackets"
    assert "worth 3000 USDT at most" in denial.detail
    assert highest_by_brackets(BY, "BTCUSDT", D("3000.00000001")) is None


def test_what_has_no_ladder_opens_nothing() -> None:
    denial = beyond_brackets(BY, "ETHUSDT", D(1), None)
    assert denial is not None
    assert denial.code == "brackets_missing"
    assert highest_by_brackets(BY, "ETHUSDT", D(1)) is None


def test_by_a_share_nothing_is_asked() -> None:
    by = Requirement(D("0.5"), INITIAL_SHARE, TEXT)
    assert beyond_brackets(by, "BTCUSDT", D(10_000), 1_000) is None
    assert highest_by_brackets(by, "BTCUSDT", D(1)) is None
