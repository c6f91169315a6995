"""Orders fill, rest, reduce and are refused as documented."""

from decimal import Decimal

from accounts.models import User
from accounts.services import suspend_account
from market.models import Instrument
from risk.engine import Intent
from risk.models import GlobalExposure, LeverageLimit, Position, RiskPolicy
from tests.each import each
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.models import Order, OrderStatus, Trade
from trading.orders.tickets import Placement, Ticket
from trading.services import place_order, place_orders

D = Decimal


def test_a_market_order_opens_at_the_mark(trader: Trader) -> None:
    user = trader("10000", "beginner")
    placed = order(user, "buy", "0.1", leverage=5)
    assert placed.status == OrderStatus.FILLED
    assert placed.required_margin == D("1300")
    assert placed.user_exposure_after == placed.global_exposure_after == D("6500")
    [position] = state_of(user).positions.values()
    assert (position.holding.quantity, position.holding.margin) == (D("0.1"), D("1300"))


def test_without_a_leverage_the_tier_maximum_is_used(trader: Trader) -> None:
    assert order(trader("10000", "advanced"), "buy", "0.1").required_margin == D("325")


def test_the_worked_example_of_netting(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    for mark, side, size, leverage in (
        ("100", "buy", "2", 10),
        ("130", "buy", "1", 5),
        ("150", "sell", "1", 10),
    ):
        marks(BTCUSDT=mark)
        assert order(user, side, size, leverage=leverage).status == OrderStatus.FILLED
    holding = next(iter(state_of(user).positions.values())).holding
    assert (holding.quantity, holding.cost, holding.margin) == (D(2), D(220), D("30.66666667"))
    assert state_of(user).balance == D("10040")

    marks(BTCUSDT="140")
    order(user, "sell", "5", leverage=10)
    holding = next(iter(state_of(user).positions.values())).holding
    assert (holding.quantity, holding.cost, holding.margin) == (D(-3), D(-420), D(42))
    assert state_of(user).balance == D("10100")
    statuses = Position.objects.order_by("id").values_list("status", flat=True)
    assert list(statuses) == ["CLOSED", "OPEN"]


@each(
    ("changes", "code"),
    [
        ({"size": "0"}, "invalid_size"),
        ({"size": "-1"}, "invalid_size"),
        ({"size": "0.000001"}, "invalid_size"),
        ({"size": "0.0000000001"}, "invalid_size"),
        ({"size": "1000000000"}, "invalid_size"),
        ({"price": "60000.001"}, "invalid_price"),
        ({"price": "0"}, "invalid_price"),
        ({"size": "0.00001"}, "below_min_notional"),
        ({"size": "0.00010", "price": "40000"}, "below_min_notional"),
        ({"leverage": 11}, "leverage_exceeds_tier"),
        ({"reduce_only": True}, "reduce_only_rejected"),
        ({"size": "2"}, "insufficient_margin"),
        ({"size": "2", "price": "60000"}, "insufficient_margin"),
        ({"symbol": "NOSUCH"}, "unknown_symbol"),
    ],
)
def test_a_refused_order_is_stored_with_its_code(
    trader: Trader, changes: dict[str, object], code: str
) -> None:
    user = trader("10000")
    refused = order(user, "buy", **{"size": "0.1", **changes})  # type: ignore[arg-type]
    stored = Order.objects.get(pk=refused.pk)
    assert (stored.status, stored.reject_code) == (OrderStatus.REJECTED, code)
    assert stored.reject_detail
    assert not Trade.objects.exists()
    assert state_of(user).margin_used == 0


def halt_trading(user: User) -> None:
    RiskPolicy.objects.update(trading_halted=True)


def age_mark(user: User) -> None:
    RiskPolicy.objects.update(max_mark_age_seconds=0)


def suspend(user: User) -> None:
    suspend_account(reason="A test", account=user.account)


def halt_instrument(user: User) -> None:
    Instrument.objects.update(halted=True)


def test_the_first_failing_check_answers(trader: Trader) -> None:
    """Undoing one obstacle after the other shows the next one: the documented order of checks."""
    user = trader("100", "beginner")
    halt_trading(user)
    age_mark(user)
    suspend(user)
    halt_instrument(user)
    LeverageLimit.objects.filter(tier="beginner").update(max_leverage=2)
    RiskPolicy.objects.update(max_open_orders=0, user_exposure_limit=1, global_exposure_threshold=1)
    asked: dict[str, object] = {"size": "0.000001", "price": "60000.001", "leverage": 3}

    def code() -> str:
        return order(user, "buy", **asked).reject_code  # type: ignore[arg-type]

    assert code() == "trading_halted"
    RiskPolicy.objects.update(trading_halted=False)
    assert code() == "stale_price"
    RiskPolicy.objects.update(max_mark_age_seconds=60)
    assert code() == "account_suspended"
    user.account.__class__.objects.filter(pk=user.account.pk).update(suspended=False)
    assert code() == "instrument_halted"
    Instrument.objects.update(halted=False)
    assert code() == "invalid_size"
    asked["size"] = "0.00001"
    assert code() == "invalid_price"
    asked["price"] = "60000"
    assert code() == "below_min_notional"
    asked["size"] = "0.1"
    assert code() == "leverage_exceeds_tier"
    asked["leverage"], asked["reduce_only"] = 2, True
    assert code() == "reduce_only_rejected"
    asked["reduce_only"] = False
    assert code() == "too_many_open_orders"
    RiskPolicy.objects.update(max_open_orders=1)
    assert code() == "insufficient_margin"
    asked["size"] = "0.001"
    assert code() == "user_exposure_exceeded"
    RiskPolicy.objects.update(user_exposure_limit=1000)
    assert code() == "global_exposure_exceeded"
    RiskPolicy.objects.update(global_exposure_threshold=1000)
    assert order(user, "buy", **asked).status == OrderStatus.NEW  # type: ignore[arg-type]


def test_a_mark_that_was_never_set_is_stale(trader: Trader) -> None:
    user = trader()
    Instrument.objects.filter(symbol="ETHUSDT").update(mark_price=None, marked_at=None)
    assert order(user, "buy", "1", "ETHUSDT").reject_code == "stale_price"
    Instrument.objects.filter(symbol="ETHUSDT").update(mark_price=3200)


def test_an_order_that_only_reduces_skips_the_last_three_checks(
    trader: Trader, marks: Marks
) -> None:
    user = trader("6600")
    order(user, "buy", "1")
    RiskPolicy.objects.update(user_exposure_limit=0, global_exposure_threshold=0)
    marks(BTCUSDT="62000")
    assert state_of(user).available_margin < 0
    assert order(user, "sell", "0.4").status == OrderStatus.FILLED
    assert order(user, "sell", "1").reject_code == "user_exposure_exceeded"
    assert order(user, "sell", "1", reduce_only=True).status == OrderStatus.FILLED
    assert state_of(user).positions == {}
    assert state_of(user).balance == D("3600")


def test_a_reduce_only_order_fills_as_far_as_the_position_goes(trader: Trader) -> None:
    user = trader()
    order(user, "buy", "0.3")
    placed = order(user, "sell", "1", reduce_only=True)
    assert (placed.status, placed.filled_size) == (OrderStatus.FILLED, D("0.3"))
    assert state_of(user).positions == {}


def test_a_loss_beyond_the_balance_cannot_be_realised(trader: Trader, marks: Marks) -> None:
    """The winner's paper profit keeps the account alive but cannot pay for the loser."""
    user = trader("10000", "advanced")
    order(user, "buy", "1")
    order(user, "buy", "20", "ETHUSDT")
    marks(BTCUSDT="53000", ETHUSDT="4200")
    assert order(user, "sell", "1").reject_code == "insufficient_margin"
    assert order(user, "sell", "20", "ETHUSDT").status == OrderStatus.FILLED
    assert order(user, "sell", "1").status == OrderStatus.FILLED
    assert state_of(user).balance == D("18000")


def test_fees_are_taken_from_the_balance(trader: Trader) -> None:
    Instrument.objects.update(taker_fee_rate=D("0.001"), maker_fee_rate=D("0.0005"))
    user = trader("6565")
    assert order(user, "buy", "1.00001").reject_code == "insufficient_margin"
    placed = order(user, "buy", "1")
    assert Trade.objects.get(order=placed).fee == D("65")
    assert state_of(user).balance == D("6500")
    assert state_of(user).available_margin == 0


def test_global_exposure_stops_at_its_threshold(trader: Trader) -> None:
    RiskPolicy.objects.update(global_exposure_threshold=D("13000"))
    first, second = trader(), trader()
    assert order(first, "buy", "0.1").status == OrderStatus.FILLED
    assert order(second, "sell", "0.10001").reject_code == "global_exposure_exceeded"
    assert order(second, "sell", "0.1").status == OrderStatus.FILLED
    assert GlobalExposure.objects.get().total == D("13000")
    assert order(first, "buy", "0.001").reject_code == "global_exposure_exceeded"


def test_an_order_of_a_batch_may_reach_the_global_threshold(trader: Trader) -> None:
    RiskPolicy.objects.update(global_exposure_threshold=D("13000"))
    sizes = (D("0.1"), D("0.1"), D("0.001"))
    tickets = [Ticket(Intent("BTCUSDT", is_buy=True, size=size)) for size in sizes]
    placed = place_orders(user_id=trader().pk, tickets=tickets)
    codes = [one.denial and one.denial.code for one in placed if isinstance(one, Placement)]
    assert codes == [None, None, "global_exposure_exceeded"]
    assert GlobalExposure.objects.get().total == D("13000")


def test_a_repeated_client_order_id_gets_the_first_answer(trader: Trader, marks: Marks) -> None:
    user = trader()
    asked = Intent("BTCUSDT", True, D("0.1"), price=D("64000"))
    first = place_order(user_id=user.pk, intent=asked, client_order_id="a")
    marks(BTCUSDT="64000")
    assert Order.objects.get(pk=first.order.pk).status == OrderStatus.FILLED
    again = place_order(user_id=user.pk, intent=asked, client_order_id="a")
    assert again.replayed
    assert (again.order.pk, again.order.status) == (first.order.pk, OrderStatus.NEW)
    assert again.order.filled_size == 0
    assert Trade.objects.count() == 1
