"""The shortcut to accounts in breach never misses one that a look at all positions finds."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.errors import InsufficientBalance, InvalidAmount
from accounts.models import Account, User
from accounts.services import adjust_balance
from market.models import Instrument
from risk.bound_models import AccountBound, BoundGeneration, TouchedAccount
from risk.bounds import (
    MOST_DOUBTFUL,
    RENEW_CHUNK,
    all_users_in_breach,
    renew_bounds,
    unsafe_bounds,
    users_in_breach,
)
from risk.models import Position
from risk.policy import MARGIN_MODES
from risk.services import change_policy
from tests.trading.conftest import Marks, Trader, order
from trading.history.ledger_check import ledger_differences
from trading.liquidation.sweep import sweep_liquidations
from trading.steps.by_hand import fixed_quotes
from trading.steps.step import apply_marks

D = Decimal
#: A few percent may end positions of 0.5 BTCUSDT by the first ones, and the second ones at once.
LADDERS = (
    "BTCUSDT 20000: 0.01 20x, 30000: 0.05 10x, 90000: 0.1 5x; ETHUSDT 500: 0.02 20x, 9000: 0.2 5x",
    "BTCUSDT 20000: 0.05 20x, 90000: 0.12 5x",
    "",
)


def move_marks(factors: dict[str, Decimal]) -> None:
    """Set marks to multiples of the present ones, without the close-outs of a market step."""
    rows = list(Instrument.objects.all())
    prices = {
        row.symbol: (row.mark_price * factors[row.symbol]).quantize(D("0.01"))
        for row in rows
        if row.mark_price is not None
    }
    apply_marks(quotes=fixed_quotes(prices)(rows, 0), now=timezone.now())


moves = st.fixed_dictionaries(
    {
        symbol: st.decimals("0.9", "1.1", places=3)
        | st.decimals("0.998", "1.002", places=4)
        | st.just(D(1))
        for symbol in ("BTCUSDT", "ETHUSDT")
    }
)
orders = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["buy", "sell"]),
    st.decimals("0.01", "0.4", places=2),
    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), orders),
        st.tuples(st.just("move"), moves),
        st.tuples(st.just("move"), moves),
        st.tuples(st.just("balance"), st.tuples(st.integers(0, 3), st.integers(-1500, 1500))),
        st.tuples(st.just("threshold"), st.decimals("0.1", "0.9", places=1)),
        st.tuples(st.just("mode"), st.sampled_from(MARGIN_MODES)),
        st.tuples(st.just("brackets"), st.sampled_from(LADDERS)),
        st.tuples(st.just("renew"), st.none()),
        st.tuples(st.just("sweep"), st.none()),
    ),
    max_size=14,
)


def act(users: list[User], name: str, with_what: Any) -> None:
    if name == "order":
        who, side, size, symbol = with_what
        order(users[who], side, str(size), symbol)
    elif name == "move":
        move_marks(with_what)
    elif name == "balance":
        who, amount = with_what
        change_balance(users[who], D(amount))
    elif name == "threshold":
        change_policy(reason="A test", changes={"liquidation_threshold": with_what})
    elif name == "mode":
        change_policy(reason="A test", changes={"margin_mode": with_what})
    elif name == "brackets":
        change_policy(reason="A test", changes={"maintenance_brackets": with_what})
    elif name == "renew":
        renew_bounds()
    else:
        sweep_liquidations()


def change_balance(user: User, amount: Decimal) -> None:
    with suppress(InsufficientBalance, InvalidAmount):
        adjust_balance(account=user.account, amount=amount, reason="Test", created_by=user)


@settings(
    max_examples=settings.default.max_examples * 3 // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(mode=st.sampled_from(MARGIN_MODES), steps=steps)
def test_the_shortcut_finds_whom_a_full_look_finds(
    users: list[User], mode: str, steps: list[tuple[str, Any]]
) -> None:
    with transaction.atomic():
        changes = {"margin_mode": mode, "maintenance_brackets": LADDERS[0]}
        change_policy(reason="A test", changes=changes)
        renew_bounds()
        for name, with_what in steps:
            act(users, name, with_what)
            assert users_in_breach() == all_users_in_breach()
            assert unsafe_bounds() == []
        transaction.set_rollback(True)


@pytest.fixture
def users(market: Any, trader: Trader) -> list[User]:
    """Four traders, each with a position that a few percent may end."""
    created = [trader("2200", "advanced") for _ in range(4)]
    for number, user in enumerate(created):
        order(user, "buy" if number % 2 else "sell", "0.5", "BTCUSDT")
    return created


def hold_to(ladders: str) -> None:
    rules = {"margin_mode": "brackets", "maintenance_brackets": ladders}
    change_policy(reason="A test", changes=rules)


def test_a_bound_knows_that_what_is_required_rises_with_the_mark(
    market: Any, trader: Trader
) -> None:
    """5,000 less 32,500 × 0.2 − 3,000: a rise of 3.85 % takes that, of which 0.64 % more is due."""
    user = trader("5000")
    order(user, "sell", "0.5")
    hold_to("BTCUSDT 20000: 0.05 20x, 90000: 0.2 5x")
    renew_bounds()
    move_marks({"BTCUSDT": D("1.038"), "ETHUSDT": D(1)})
    assert users_in_breach() == []
    move_marks({"BTCUSDT": D("1.042") / D("1.038"), "ETHUSDT": D(1)})
    assert users_in_breach() == [user.pk]


def test_other_brackets_call_for_a_look_at_everybody(users: list[User]) -> None:
    renew_bounds()
    hold_to(LADDERS[0])
    assert users_in_breach() == []
    renew_bounds()
    hold_to(LADDERS[1])
    assert users_in_breach() == [user.pk for user in users]
    change_policy(reason="A test", changes={"margin_mode": "initial_share"})
    assert users_in_breach() == []


def test_an_account_far_from_breach_needs_no_look(users: list[User], marks: Marks) -> None:
    assert TouchedAccount.objects.exists()
    assert renew_bounds() == 4
    assert not TouchedAccount.objects.exists()
    assert AccountBound.objects.filter(bound__gt=D("0.04")).count() == 4
    marks(BTCUSDT="65050", ETHUSDT="3203")
    assert renew_bounds() == 0


def test_an_order_and_a_withdrawal_call_for_a_look(users: list[User]) -> None:
    renew_bounds()
    order(users[0], "buy", "0.01")
    assert set(TouchedAccount.objects.values_list("account_id", flat=True)) == {users[0].account.pk}
    change_balance(users[1], D(-5))
    assert users[1].account.pk in TouchedAccount.objects.values_list("account_id", flat=True)


def test_new_references_follow_the_market_and_old_ones_are_dropped(
    users: list[User], marks: Marks
) -> None:
    renew_bounds()
    first = BoundGeneration.objects.get()
    marks(BTCUSDT="66300", ETHUSDT="3200")
    for user in users:
        order(user, "buy", "0.01")
    renew_bounds()
    assert BoundGeneration.objects.get().pk > first.pk


def test_check_ledger_tells_of_a_bound_that_is_too_high(users: list[User]) -> None:
    renew_bounds()
    AccountBound.objects.filter(account=users[0].account).update(bound=D(1))
    [difference] = ledger_differences()
    assert difference.what == f"breach bound of account {users[0].account.pk}"
    renew_bounds()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO risk_touchedaccount (account_id) SELECT account_id FROM risk_position"
        )
    renew_bounds()


def test_shards_share_the_accounts_in_breach(users: list[User], marks: Marks) -> None:
    renew_bounds()
    move_marks({"BTCUSDT": D("1.2"), "ETHUSDT": D(1)})
    everyone = users_in_breach()
    shares = [users_in_breach(shard=shard, shards=3) for shard in range(3)]
    assert len(everyone) == 2
    assert sorted(user for share in shares for user in share) == sorted(everyone)
    for shard in range(3):
        sweep_liquidations(shard=shard, shards=3)
    assert users_in_breach() == []


def test_a_full_look_can_be_shared_as_well(users: list[User]) -> None:
    move_marks({"BTCUSDT": D("1.2"), "ETHUSDT": D(1)})
    shares = [all_users_in_breach(shard=shard, shards=3) for shard in range(3)]
    assert sorted(user for share in shares for user in share) == all_users_in_breach()


def crowd(size: int, instrument: Instrument) -> list[int]:
    """Make accounts in breach, each with a position that has lost all it had; return the users."""
    user = User.objects.create(username="crowd")
    account = Account.objects.create(user=user)
    position = Position.objects.create(
        account=account,
        instrument=instrument,
        quantity=1,
        cost=99_999,
        margin=1,
        leverage=1,
        opened_at=timezone.now(),
    )
    with connection.cursor() as cursor:
        # The audit trail has no need to tell of each.
        cursor.execute("SET LOCAL session_replication_role = replica")
        copy(user, size, "'id', one.id + n, 'username', 'crowd' || n")
        cursor.execute("SET LOCAL session_replication_role = origin")
    copy(account, size, "'id', one.id + n, 'user_id', one.user_id + n")
    copy(position, size, "'id', one.id + n, 'account_id', one.account_id + n")
    return [user.pk + n for n in range(size)]


def copy(row: Model, size: int, changes: str) -> None:
    """Have as many rows as ``size`` asks for like this one, but for ``changes`` of the n-th."""
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} SELECT made.* FROM {table} AS one"  # noqa: S608
            " CROSS JOIN generate_series(1, %s) AS n CROSS JOIN LATERAL"
            f" jsonb_populate_record(one, jsonb_build_object({changes})) AS made WHERE one.id = %s",
            [size - 1, row.pk],
        )


def test_no_breach_gets_lost_in_a_crowd(market: dict[str, Instrument]) -> None:
    """More than are looked at one by one, and than bounds are worked out for in one chunk."""
    size = max(MOST_DOUBTFUL, RENEW_CHUNK) + 2
    everyone = crowd(size, market["BTC"])
    assert users_in_breach() == everyone
    assert renew_bounds() == size
    assert not TouchedAccount.objects.exists()
    assert users_in_breach() == everyone


@pytest.mark.django_db
def test_without_a_price_there_is_nothing_to_work_out() -> None:
    assert renew_bounds() == 0
