"""Which level of the margin ratio an account is below."""

from decimal import Decimal

from kpi.stream.margins import standing
from tests.each import each


@each(
    ("equity", "level"),
    [
        ("100", None),
        ("99.99999999", "1.0"),
        ("75", "1.0"),
        ("74.99999999", "0.75"),
        ("60", "0.75"),
        ("59.99999999", "0.6"),
        ("-1", "0.6"),
    ],
)
def test_the_lowest_level_that_the_ratio_is_below_is_told(equity: str, level: str | None) -> None:
    found = standing(7, Decimal(equity), Decimal(100))
    assert (found.data["user_id"], found.data["level"]) == (7, level)


def test_an_account_without_positions_is_below_none() -> None:
    assert standing(7, None, None).data["margin_ratio"] is None
    assert standing(7, None, None).level is None
