"""Cases that share a test are all tried, and each that fails is named."""

from collections.abc import Callable

import pytest

from accounts.models import User
from tests.each import each

NUMBERS = (1, 2, 3)


def outcome_of(test: Callable[[int], None]) -> BaseException:
    """Return what a test of each number ends with."""
    with pytest.raises((BaseExceptionGroup, pytest.skip.Exception)) as ended:
        each("number", NUMBERS)(test)()
    return ended.value


def test_each_case_that_fails_is_named_however_it_fails() -> None:
    tried = []

    def fails(number: int) -> None:
        tried.append(number)
        with pytest.raises(ValueError, match="two"):
            int("two" if number == 2 else "1")

    told = str(outcome_of(fails))
    assert tried == list(NUMBERS)
    assert "2 of 3 cases failed: {'number': 1}; {'number': 3}" in told


def test_a_case_that_would_skip_the_test_hides_none_that_failed() -> None:
    def skips(number: int) -> None:
        assert number != 1
        if number == 2:
            pytest.skip("not here")

    told = outcome_of(skips)
    assert not isinstance(told, pytest.skip.Exception)
    assert "{'number': 1}; {'number': 2}" in str(told)


@each("name", ["anna", "anna"])
def test_a_case_is_undone_before_the_next(db: None, name: str) -> None:
    User.objects.create_user(name)
    assert User.objects.count() == 1
