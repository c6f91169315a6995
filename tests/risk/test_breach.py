"""Who is in breach: the database and the pure rule of ``risk.margin`` agree to the last digit."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.services import create_user
from market.kernel.amounts import UNIT, ZERO
from market.models import Instrument
from market.services import list_instrument
from risk.bounds import ALL_BREACHES, all_users_in_breach, users_in_breach
from risk.maintenance import Ladder, Requirement, ladders_text
from risk.margin import initial_share, is_in_breach, margin_slack
from risk.models import Position
from risk.policy import MARGIN_MODES
from risk.selectors import account_states
from risk.services import change_policy
from tests.each import each
from tests.risk.test_maintenance import ladders

D = Decimal
MARKS = {"BTCUSDT": D("65000.01"), "ETHUSDT": D("3200.99")}
HALF = Requirement(D("0.5"))


class Held(NamedTuple):
    """An open position in the instrument of its place: signed quantity, unsigned cost, margin."""

    quantity: Decimal
    cost: Decimal
    margin: Decimal


amounts = st.decimals("0", "1000000000", places=8)
positions = st.builds(
    Held,
    st.decimals("-1000", "1000", places=5).filter(bool),
    st.decimals("0", "70000000", places=8),
    st.decimals("0", "1000000", places=4),
)


texts = st.lists(st.tuples(st.just("BTCUSDT"), ladders()), max_size=1).map(
    lambda said: ladders_text(dict(said))
)


@pytest.fixture
def instruments(db: None) -> list[Instrument]:
    listed = [
        list_instrument(
            reason="A test",
            symbol=symbol,
            base_asset=symbol.removesuffix("USDT"),
            tick_size=D("0.01"),
            lot_size=D("0.00001"),
        )
        for symbol in MARKS
    ]
    for instrument in listed:
        # No step of the market: nobody is to be closed out on the way.
        Instrument.objects.filter(pk=instrument.pk).update(mark_price=MARKS[instrument.symbol])
    return listed


def open_account(balance: Decimal, held: Sequence[Held], instruments: list[Instrument]) -> int:
    """Open an account that holds just this and return its id."""
    account = create_user(username="trader", opening_balance=balance).account
    Position.objects.bulk_create(
        Position(
            account=account,
            instrument=instrument,
            quantity=position.quantity,
            cost=position.cost.copy_sign(position.quantity) if position.cost else ZERO,
            margin=position.margin,
            leverage=1,
            opened_at=timezone.now(),
        )
        for instrument, position in zip(instruments, held, strict=False)
    )
    return account.pk


def asked(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def assert_agreement(account_id: int, by: Requirement) -> None:
    """Hold the view and both queries of breaches against the account's state in Python."""
    state = account_states([account_id])[account_id]
    changes = {
        "liquidation_threshold": by.threshold,
        "margin_mode": by.mode,
        "maintenance_brackets": by.brackets,
    }
    change_policy(reason="A test", changes=changes)
    rows = asked("SELECT equity, margin, notional, required FROM risk_standing")
    facts = (state.equity, state.position_margin, state.exposure, state.required(by))
    assert rows == ([facts] if state.positions else [])
    in_breach = [state.user_id] if state.is_in_breach(by) else []
    assert all_users_in_breach() == users_in_breach() == in_breach


@settings(
    max_examples=settings.default.max_examples * 3 // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    held=st.lists(positions, max_size=2),
    by=st.builds(Requirement, st.decimals(0, 2, places=4), st.sampled_from(MARGIN_MODES), texts),
    beyond=st.sampled_from([-UNIT, ZERO, UNIT]) | st.decimals("-100", "1000000", places=8),
)
@example(held=[], by=HALF, beyond=ZERO)
@example(held=[Held(D(1), D("65000.01"), ZERO)], by=HALF, beyond=ZERO)
@example(held=[Held(D(1), D("65000.02"), ZERO)], by=HALF, beyond=-UNIT)
def test_the_view_and_the_rule_agree_at_what_is_required_and_around_it(
    instruments: list[Instrument], held: list[Held], by: Requirement, beyond: Decimal
) -> None:
    """``beyond`` is how far above it, in USDT, equity lies where the balance allows."""
    slack = ZERO
    for (symbol, mark), position in zip(MARKS.items(), held, strict=False):
        slack += position.quantity * mark - position.cost.copy_sign(position.quantity)
        slack -= by.of(symbol, quantity=position.quantity, mark_price=mark, margin=position.margin)
    balance = (beyond - slack).quantize(UNIT)
    with transaction.atomic():
        assert_agreement(open_account(max(balance, ZERO), held, instruments), by)
        transaction.set_rollback(True)


@each(("beyond", "breach"), [(-UNIT, True), (ZERO, False), (UNIT, False)])
def test_the_threshold_itself_is_no_breach(
    instruments: list[Instrument], beyond: Decimal, breach: bool
) -> None:
    position = Held(D(1), D("65000.01"), D("6500.00000002"))
    account_id = open_account(D("3250.00000001") + beyond, [position], instruments)
    assert_agreement(account_id, HALF)
    assert bool(users_in_breach()) is breach


@given(equity=amounts | amounts.map(Decimal.__neg__), margin=amounts, threshold=amounts)
@example(equity=D(-1), margin=ZERO, threshold=D("0.5"))
@example(equity=-UNIT, margin=ZERO, threshold=ZERO)
@example(equity=ZERO, margin=ZERO, threshold=D("0.5"))
@example(equity=D("499999999.99999999"), margin=D(1_000_000_000), threshold=D("0.5"))
@settings(max_examples=2 * settings.default.max_examples, deadline=None)
@pytest.mark.django_db
def test_the_slack_is_the_same_number(equity: Decimal, margin: Decimal, threshold: Decimal) -> None:
    [(slack, below)] = asked(
        "SELECT margin_slack(n.e, n.t * n.m), margin_slack(n.e, n.t * n.m) < 0"
        " FROM (VALUES (%s::numeric, %s::numeric, %s::numeric)) AS n (e, m, t)",
        *(equity, margin, threshold),
    )
    required = initial_share(margin, threshold)
    assert slack == margin_slack(equity, required)
    assert below is is_in_breach(equity, required)


@given(said=st.dictionaries(st.sampled_from(["AB", "BTCUSDT", "9X"]), ladders()))
@settings(deadline=None)
@pytest.mark.django_db
def test_the_database_reads_the_same_ladders(said: dict[str, Ladder]) -> None:
    """And takes what ``risk.maintenance`` writes."""
    text = ladders_text(said)
    assert asked("SELECT are_maintenance_brackets(%s)", text) == [(True,)]
    read = asked(
        "SELECT symbol, cap, rate, leverage, cumulative FROM maintenance_ladders(%s)"
        ' ORDER BY symbol COLLATE "C", place',
        text,
    )
    assert read == [
        (symbol, one.cap, one.rate, one.max_leverage, one.cumulative)
        for symbol, ladder in sorted(said.items())
        for one in ladder
    ]


@pytest.mark.django_db
def test_the_rule_costs_no_calls_of_functions() -> None:
    plan = "\n".join(line for (line,) in asked(f"EXPLAIN VERBOSE {ALL_BREACHES}"))
    assert "mark_price" in plan
    assert "margin_slack(" not in plan
    assert "unrealized_pnl(" not in plan
    assert "required_equity(" not in plan
