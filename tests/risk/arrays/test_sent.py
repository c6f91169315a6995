"""What accounts have sent in a bar: values that add up without overflow, and equal orders."""

import numpy as np

from risk.arrays.sent import Sent
from risk.arrays.units import LARGEST, Whole


def whole(*values: int) -> Whole:
    return np.array(values, np.int64)


def test_values_add_up_by_account() -> None:
    sent = Sent(4)
    sent.add(whole(0, 2), whole(0, 1), whole(5, -3), whole(100, 7))
    sent.add(whole(2, 3), whole(1, 1), whole(4, 4), whole(1, 2))
    assert sent.value.tolist() == [100, 0, 8, 2]


def test_no_value_is_larger_than_the_largest() -> None:
    sent = Sent(2)
    for _ in range(3):
        sent.add(whole(0, 1), whole(0, 0), whole(1, 2), whole(LARGEST, LARGEST - 1))
    assert sent.value.tolist() == [LARGEST, LARGEST]
    one = Sent(1)
    one.add(whole(0), whole(0), whole(1), whole(LARGEST - 1))
    assert one.value.tolist() == [LARGEST - 1]


def test_a_twin_is_of_the_same_account_instrument_and_size() -> None:
    sent = Sent(3)
    assert sent.twins(whole(0, 1), whole(0, 0), whole(5, 5)).tolist() == [False, False]
    sent.add(whole(0, 1), whole(0, 1), whole(5, -3), whole(1, 1))
    asked = whole(0, 1, 2, 0, 0, 1), whole(0, 1, 0, 1, 0, 1), whole(5, -3, 5, 5, -5, 3)
    assert sent.twins(*asked).tolist() == [True, True, False, False, False, False]
    none = whole()
    assert sent.twins(none, none, none).tolist() == []
    assert sent.twins(none, none, none).dtype == bool
