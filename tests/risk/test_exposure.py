"""Changes of exposure add up by instrument and are worth what their marks say."""

from decimal import Decimal

from risk.exposure import ExposureChange, ExposureChanges, change_of_position
from tests.each import each

D = Decimal


def test_a_change_is_valued_at_the_mark_but_for_what_orders_reserve() -> None:
    change = ExposureChange(long_quantity=D(3), short_quantity=D(-1), order_notional=D(7))
    assert change.valued_at(D(10)) == D(27)


def test_changes_add_up_part_by_part() -> None:
    both = ExposureChange(D(1), D(2), D(3)) + ExposureChange(D(10), D(20), D(30))
    assert both == ExposureChange(D(11), D(22), D(33))


def test_changes_of_one_booking_add_up_by_instrument() -> None:
    changes = ExposureChanges()
    assert changes.value == 0
    changes.add(1, D(10), ExposureChange(long_quantity=D(2)))
    changes.add(1, D(10), ExposureChange(short_quantity=D(3)))
    changes.add(2, D(100), ExposureChange(long_quantity=D(1)))
    changes.add(3, None, ExposureChange(order_notional=D(-7)))
    assert changes.by_instrument == {
        1: (D(10), ExposureChange(D(2), D(3))),
        2: (D(100), ExposureChange(D(1))),
        3: (None, ExposureChange(order_notional=D(-7))),
    }
    assert changes.value == D(143)


def test_the_mark_of_a_decision_stays_beside_a_release_that_had_none() -> None:
    changes = ExposureChanges()
    changes.add(1, D(10), ExposureChange(long_quantity=D(2)))
    changes.add(1, None, ExposureChange(order_notional=D(-5)))
    assert changes.by_instrument[1][0] == D(10)
    assert changes.value == D(15)


@each(
    ("before", "after", "long", "short"),
    [
        (0, 2, 2, 0),
        (2, 5, 3, 0),
        (5, 2, -3, 0),
        (2, -3, -2, 3),
        (-3, -1, 0, -2),
        (-3, -7, 0, 4),
        (-3, 4, 4, -3),
    ],
)
def test_open_interest_follows_a_position_on_each_side(
    before: int, after: int, long: int, short: int
) -> None:
    assert change_of_position(D(before), D(after)) == ExposureChange(D(long), D(short))


def test_the_peak_is_the_most_that_was_added_where_an_order_opened() -> None:
    changes = ExposureChanges()
    assert changes.peak is None
    for added, peak in ((-7, -7), (12, 5), (-3, 5), (10, 12)):
        changes.add(1, None, ExposureChange(order_notional=D(added)))
        changes.note_opening()
        assert changes.peak == peak
    changes.add(1, None, ExposureChange(order_notional=D(100)))
    assert changes.peak == 12
