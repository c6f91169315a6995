"""The management commands do what they print and say what is wrong."""

from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.keys import identify
from accounts.models import User
from market.models import Instrument, PriceTick
from risk.models import RiskPolicy
from tests.conftest import ClientOf
from tests.each import each
from tests.trading.conftest import Trader, order, state_of
from trading.models import Liquidation
from trading.tasks import reconcile_venue_orders, run_market_step, sweep_liquidations

Run = Callable[..., str]


@pytest.fixture
def run(settings: Any) -> Run:
    settings.PRICE_SOURCES = ["simulation"]

    def call(*arguments: str) -> str:
        out = StringIO()
        call_command(*arguments, stdout=out)
        return out.getvalue()

    return call


def test_seed_demo_makes_the_documented_users_and_prices(run: Run) -> None:
    printed = run("seed_demo", "--if-empty")
    balances = {"beginner": 10_000, "intermediate": 50_000, "advanced": 100_000}
    for tier, balance in balances.items():
        user = identify(key=f"{tier}-key").user
        assert (user.username, user.tier) == (tier, tier)
        assert state_of(user).balance == balance
        assert f"{tier}-key" in printed
    assert User.objects.get(username="admin").is_superuser
    marks = dict(Instrument.objects.values_list("symbol", "mark_price"))
    assert marks == {"BTCUSDT": 65_000, "ETHUSDT": 3_200}
    assert run("seed_demo") == "The demo data is complete.\n"
    assert run("seed_demo", "--if-empty") == "Users exist: no demo data added.\n"


def test_set_price_steps_one_instrument_and_liquidates(run: Run, trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "1")
    assert "BTCUSDT 58250 (simulation)" in run("set_price", "btcusdt", "58250")
    assert "ratio 0.49984615" in run("set_price", "BTCUSDT", "58249")
    assert state_of(user).balance == Decimal(3249)


@each(
    ("symbol", "price", "complaint"),
    [
        ("NOSUCH", "1", "unknown_symbol"),
        ("BTCUSDT", "abc", "is no number"),
        ("BTCUSDT", "0.001", "invalid_price"),
        ("BTCUSDT", "0", "invalid_price"),
        ("BTCUSDT", "-5", "invalid_price"),
        ("BTCUSDT", "NaN", "invalid_price"),
        ("BTCUSDT", "1e400", "invalid_price"),
    ],
)
def test_set_price_refuses_what_is_no_price(
    run: Run, market: Any, symbol: str, price: str, complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("set_price", symbol, price)
    assert Instrument.objects.get(symbol="BTCUSDT").mark_price == 65_000


def test_a_seeded_tick_is_reproducible(run: Run, market: Any) -> None:
    paths = []
    for _ in range(2):
        run("set_price", "BTCUSDT", "65000")
        run("set_price", "ETHUSDT", "3200")
        first = PriceTick.objects.latest("id").pk
        assert run("tick", "--count", "3", "--seed", "7").count("Step ") == 3
        ticks = PriceTick.objects.filter(pk__gt=first).order_by("id")
        paths.append(list(ticks.values_list("instrument__symbol", "price")))
    assert paths[0] == paths[1]
    assert len({price for _, price in paths[0]}) == 6


def test_tick_uses_the_configured_sources(run: Run, market: Any) -> None:
    assert "(simulation)" in run("tick")


def test_sweep_liquidations_counts(run: Run) -> None:
    assert run("sweep_liquidations") == "0 account(s) liquidated.\n"


def test_check_ledger_says_that_it_is_clean(run: Run, trader: Trader) -> None:
    order(trader(), "buy", "0.1")
    assert "clean" in run("check_ledger")


def test_replay_walks_through_candles(run: Run, trader: Trader, tmp_path: Path) -> None:
    user = trader("10000")
    order(user, "buy", "1")
    file = tmp_path / "btc.csv"
    file.write_text(
        "open_time,open,high,low,close\n"
        "2025-10-10T21:00:00Z,65000,65000,60000,61000\n"
        "2025-10-10T21:05:00Z,61000,61000,58000,60000\n"
    )
    printed = run("replay", f"btcusdt={file}")
    assert "Replayed 2 steps; 0 account(s) liquidated." in printed
    printed = run("replay", f"BTCUSDT={file}", "--path", "ohlc")
    assert "2025-10-10 21:05 BTCUSDT 58000" in printed
    assert Liquidation.objects.count() == 1


@each(
    ("argument", "complaint"),
    [
        ("btc.csv", "SYMBOL=FILE"),
        ("BTCUSDT=/nowhere/btc.csv", "cannot be read"),
        ("NOSUCH={file}", "unknown_symbol"),
    ],
)
def test_replay_explains_what_it_cannot_use(
    run: Run, market: Any, tmp_path: Path, argument: str, complaint: str
) -> None:
    file = tmp_path / "c.csv"
    file.write_text("open_time,open,high,low,close\n2025-10-10T21:00:00Z,1,1,1,1\n")
    with pytest.raises(CommandError, match=complaint):
        run("replay", argument.format(file=file))


@pytest.mark.parametrize("second", ["1.005,1.005,1.005,1.005", "1,2,3,x"])
def test_a_replay_begins_only_with_files_that_are_good_to_the_end(
    run: Run, market: Any, tmp_path: Path, second: str
) -> None:
    good, bad = tmp_path / "btc.csv", tmp_path / "eth.csv"
    good.write_text("open_time,open,high,low,close\n2025-10-10T21:00:00Z,65001,65001,65001,65001\n")
    bad.write_text(
        "open_time,open,high,low,close\n"
        f"2025-10-10T21:00:00Z,1,1,1,1\n2025-10-10T21:05:00Z,{second}\n"
    )
    with pytest.raises(CommandError, match=r"eth\.csv, line 3: "):
        run("replay", f"BTCUSDT={good}", f"ETHUSDT={bad}")
    assert Instrument.objects.get(symbol="BTCUSDT").mark_price == 65_000


def test_a_symbol_is_replayed_from_one_file(run: Run, market: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="BTCUSDT is given twice"):
        run("replay", "BTCUSDT=a.csv", "btcusdt=b.csv")


@each("text", ["-1", "nan", "inf", "1e9", "soon"])
@each("command", [["tick"], ["replay", "BTCUSDT=a.csv"]])
def test_a_pause_is_a_number_of_seconds(run: Run, db: None, command: list[str], text: str) -> None:
    with pytest.raises(CommandError, match="is no number of seconds"):
        run(*command, f"--interval={text}")


@each("text", ["0", "-1", "1.5", "x", "9" * 5000])
def test_a_count_is_a_whole_number(run: Run, db: None, text: str) -> None:
    with pytest.raises(CommandError, match="is no whole number"):
        run("tick", f"--count={text}")


def test_a_price_beyond_the_collar_is_warned_of(run: Run, market: Any, tmp_path: Path) -> None:
    warning = "Warning: BTCUSDT goes −90 %, from 65000 to 6500, beyond its collar of 30 %."
    assert warning in run("set_price", "BTCUSDT", "6500")
    file = tmp_path / "btc.csv"
    file.write_text("1735689600000000,65000,65000,65000,65000\n1735689660000000,1,1,1,1\n")
    assert run("replay", f"BTCUSDT={file}").count("Warning: BTCUSDT goes ") == 2
    assert "Warning" not in run("set_price", "BTCUSDT", "1.1")


@each("command", [["sweep_liquidations"], ["set_price", "BTCUSDT", "64999"], ["tick"], ["replay"]])
def test_a_command_that_left_somebody_out_says_so_and_fails(
    run: Run, trader: Trader, tmp_path: Path, command: list[str]
) -> None:
    broken, sound = trader("7000"), trader("7000")
    for user in (broken, sound):
        order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2)
    fail_close_outs_of(broken.account.pk)
    file = tmp_path / "btc.csv"
    file.write_text("1735689600000000,64999,64999,64999,64999\n")
    arguments = [*command, f"BTCUSDT={file}"] if command == ["replay"] else command
    with pytest.raises(CommandError, match=rf"Failed and left .* user\(s\) {broken.pk}\."):
        run(*arguments)
    assert [done.account_id for done in Liquidation.objects.all()] == [sound.account.pk]


def fail_close_outs_of(account_id: int) -> None:
    """Let the database refuse every liquidation of an account."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'broken'; END $$;"
            "CREATE TRIGGER fail BEFORE INSERT ON trading_liquidation FOR EACH ROW"
            f" WHEN (NEW.account_id = {account_id}) EXECUTE FUNCTION fail()"
        )


def test_tasks_call_the_services(run: Run, trader: Trader, settings: Any) -> None:
    settings.TICK_INTERVAL_SECONDS = 0
    ticks = PriceTick.objects.count()
    run_market_step()
    assert PriceTick.objects.count() == ticks + Instrument.objects.count()
    user = trader("10000")
    order(user, "buy", "0.1")
    Instrument.objects.filter(symbol="BTCUSDT").update(halted=True)
    sweep_liquidations()
    reconcile_venue_orders()
    assert not Liquidation.objects.exists()


def test_what_a_replay_sets_bears_the_time_of_its_candle(
    run: Run, market: Any, trader: Trader, client_of: ClientOf, tmp_path: Path
) -> None:
    client = client_of(trader("1000"))
    file = tmp_path / "btc.csv"
    file.write_text(
        "1735689600000,65000,65000,65000,65000\n1735689660000,65001,65001,65001,65001\n"
    )
    run("replay", f"BTCUSDT={file}")
    price = client.get("/market/price/BTCUSDT").json()
    assert price["market_time"] == "2025-01-01T00:01:00Z"
    assert price["timestamp"] > "2025-01-02"
    day = client.get("/market/candles/BTCUSDT?interval=1d").json()["results"][-1]
    assert day["market_time"] == "2025-01-01T00:00:00Z"
    times = PriceTick.objects.filter(instrument__symbol="BTCUSDT").order_by("-id")
    assert times.values_list("market_time__minute", flat=True)[0] == 1
    run("set_price", "BTCUSDT", "65002")
    assert "market_time" not in client.get("/market/price/BTCUSDT").json()
