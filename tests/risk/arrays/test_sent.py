"""What accounts have sent in a bar: values that add up without overflow, and equal orders."""

from collections import Counter
from dataclasses import replace

import numpy as np

from risk.arrays.placing import place
from risk.arrays.refusals import CODES
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.throttle import Throttle
from risk.arrays.units import LARGEST, Whole, amount
from risk.policy import policy_from
from tests.risk.arrays.cases import TRIALS, account_states, cases
from tests.risk.arrays.exchange import Exchange
from tests.risk.arrays.test_orders import check_answers, fund, random_orders


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


def test_what_accounts_have_sent_and_filled_in_a_bar_holds_them_back_as_at_the_exchange() -> None:
    """Every order is sent twice; some of the accounts' tiers have no limit."""
    seen = Counter[str | None]()
    for number, (rng, drawn) in enumerate(cases(seed=29, trials=TRIALS // 5)):
        fund(rng, drawn)
        usual = int(np.median(drawn.book.exposure(drawn.marks))) + 1
        values = {
            "max_minute_value": {"beginner": amount(usual), "advanced": amount(3 * usual)},
            "duplicate_seconds": number % 2,
            "max_fills": (2, 0, 3)[number % 3],
        }
        case = replace(drawn, policy=policy_from(values, base=drawn.policy))
        rules, accounts, after = Rules.of(case.policy), len(case.book.balance), case.book.copy()
        sent, throttle = Sent(accounts), Throttle(accounts, rules.max_fills or accounts)
        exchange = Exchange(case.book, case.listed, case.marks, case.policy)
        for orders in [random_orders(rng, case) for _ in range(2)]:
            for _ in range(2):
                total = sum(after.exposure(case.marks).tolist())
                with np.errstate(all="raise"):
                    placed = place(
                        after, rules, orders, case.marks, total, sent=sent, throttle=throttle
                    )
                check_answers(placed, exchange.place(orders), orders, case)
                seen.update(CODES[code] for code in placed.code.tolist())
        assert account_states(after, case.listed) == exchange.states
    counted = ("order_volume_exceeded", "duplicate_order", "reducing_only")
    assert min(seen[None], *(seen[code] for code in counted)) > 20
