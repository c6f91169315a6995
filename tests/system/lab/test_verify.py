"""``lab verify``: accounts of a study through the lab and through the real services agree."""

import io
import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from accounts.services import create_user
from kpi.lab.cells.loop import run
from kpi.lab.errors import LabError
from kpi.lab.inputs.config import Study, read_study
from kpi.lab.inputs.specs import ImpactSpec
from kpi.lab.verification import scratch
from kpi.lab.verification.scratch import NoScratchDatabase
from kpi.lab.verification.trial import trial_of
from kpi.lab.verification.verify import verify
from tests.kpi.lab.files import START, candle_file, write_rows

pytestmark = pytest.mark.django_db(transaction=True)
on_a_copy = pytest.mark.usefixtures("migrated_once")

D = Decimal
ACCOUNTS, BARS, BAR = 40, 15, timedelta(minutes=5)
HEADER = "account,tier,balance,symbol,side,size,leverage,entered_at"
PRICES = {"BTCUSDT": 100_000, "ETHUSDT": 4_000}
HIGHEST = {"beginner": 5, "intermediate": 25, "advanced": 100}
POLICIES = """
[[policy]]
name = "partly"
max_leverage = { beginner = 5, intermediate = 25, advanced = 100 }
liquidation_mode = "largest_loss_first"
liquidation_fee_rate = 0.002
volatility_bands = "0.02: 0.75, 0.05: 0.5"
volatility_window_minutes = 25
global_exposure_threshold = 9_000_000
[[policy]]
name = "rarely"
max_leverage = 100
liquidation_threshold = 0
tier_state = { beginner = "REDUCING", intermediate = "HALTED" }
cadence = 6
volatility_bands = "0.02: 0.75, 0.05: 0.5"
volatility_window_minutes = 25
[[policy]]
name = "limited"
max_leverage = { beginner = 5, intermediate = 25, advanced = 100 }
max_order_value = { intermediate = 400_000 }
max_minute_value = { advanced = 600_000 }
duplicate_seconds = 60
[[policy]]
name = "brackets"
max_leverage = { beginner = 5, intermediate = 25, advanced = 100 }
margin_mode = "brackets"
maintenance_brackets = '''
BTCUSDT 300000: 0.01 100x, 600000: 0.02 50x, 1500000: 0.05 20x
ETHUSDT 200000: 0.01 100x, 2000000: 0.04 25x'''
[[policy]]
name = "reduced by brackets"
max_leverage = { beginner = 5, intermediate = 25, advanced = 100 }
margin_mode = "brackets"
maintenance_brackets = "BTCUSDT 50000: 0.01 100x, 300000: 0.0125 80x, 1500000: 0.025 40x"
liquidation_mode = "partial"
liquidation_fee_rate = 0.001
[[policy]]
name = "brackets that grow"
max_leverage = 100
margin_mode = "brackets"
maintenance_brackets = "BTCUSDT 110000: 0.05 20x, 900000: 0.1 10x"
[[policy]]
name = "reduced"
max_leverage = { beginner = 5, intermediate = 25, advanced = 100 }
liquidation_mode = "partial"
close_out_share = 0.4
liquidation_fee_rate = 0.002
global_exposure_threshold = 9_000_000
[[policy]]
name = "throttled"
max_leverage = { beginner = 5, intermediate = 25, advanced = 100 }
max_fills = 2
fills_window_seconds = 300
[[instrument]]
symbol = "BTCUSDT"
taker_fee_rate = 0.0005
"""


def falling(rng: Random, price: int) -> list[str]:
    """Bars of a fall by a fifth that goes up and down on its way, and comes back a little."""
    bars = []
    for number in range(BARS):
        after = price * (D("0.975") if 3 < number < 12 else D("1.004"))
        inner = sorted((price, after))
        wide = price * D(rng.randrange(1, 12)) / 1000
        row = [D(price), inner[1] + wide, inner[0] - wide, after]
        bars.append(",".join(f"{one:.2f}" for one in row))
        price = D(bars[-1].split(",")[-1])
    return bars


def entries(rng: Random) -> Iterator[str]:
    """Two entries an account at most, many at the highest leverage, some too large, some short."""
    for number in range(ACCOUNTS):
        tier = rng.choice(("beginner", "intermediate", "advanced"))
        balance = rng.randrange(1_000, 90_000_000) / D(1000)
        highest = HIGHEST[tier]
        for symbol in rng.sample(sorted(PRICES), rng.randrange(1, 3)):
            leverage = rng.choice((highest, highest, rng.randrange(1, highest + 1), highest + 1))
            share = D(rng.randrange(20, 110)) / 200
            size = f"{balance * leverage * share / PRICES[symbol]:.4f}"
            side = "short" if rng.randrange(4) == 0 else "long"
            at = START + timedelta(minutes=rng.randrange(40))
            if D(size):
                yield (
                    f"trader-{number:02},{tier},{balance},{symbol},{side},{size},"
                    f"{rng.choice((leverage, ''))},{at:%Y-%m-%dT%H:%M:%SZ}"
                )


@pytest.fixture
def migrated_once(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay on copies of what is migrated, where there is one: migrating takes longer."""
    if name := getattr(pytestconfig, "workerinput", {}).get("template"):
        monkeypatch.setattr(scratch, "CREATE", f'CREATE DATABASE {{}} TEMPLATE "{name}"')


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of 40 accounts and 60 steps."""
    return study_of(tmp_path, 'kind = "file", file = "accounts.csv"')


def study_of(folder: Path, population: str) -> Study:
    rng = Random(11)
    for symbol, price in PRICES.items():
        candle_file(folder, symbol, bars=falling(rng, price))
    write_rows(folder / "accounts.csv", list(entries(rng)), HEADER)
    file = folder / "study.toml"
    file.write_text(
        f"population = {{ {population} }}\nfund = {{ opening = 3_000 }}\n"
        '[tape.files]\nBTCUSDT = "BTCUSDT.csv"\nETHUSDT = "ETHUSDT.csv"\n' + POLICIES
    )
    return read_study(file)


def databases() -> list[str]:
    """Return this process's databases: those of others come and go."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        names = [name for (name,) in cursor.fetchall()]
    return sorted(name for name in names if name.startswith(connection.settings_dict["NAME"]))


def counts(line: str) -> list[int]:
    """Close-outs, those insured, those with bad debt, orders, those refused, and differences."""
    return [int(number) for number in re.findall(r"\d+", line)]


@on_a_copy
def test_lab_and_services_agree_to_the_last_digit(study: Study) -> None:
    """With fees, a part-close, insurance, bad debt and orders refused, beside a running exchange.

    A database that a killed process left behind is in nobody's way.
    """
    alice, before = create_user(username="alice"), databases()
    scratch = f"{connection.settings_dict['NAME']}_lab_verify"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{scratch}"')
    first, second, last = verify(study)
    assert first == "40 accounts, 60 steps, policy 'partly'."
    assert scratch in second
    *happened, differences = counts(last)
    assert all(happened), last
    assert differences == 0
    assert list(User.objects.all()) == [alice]
    assert databases() == before


@on_a_copy
def test_they_agree_where_the_exchange_looks_rarely(tmp_path: Path) -> None:
    """Of a seeded population the first accounts, between two times, with leverage up to 100.

    That falls with the range, which marks between two looks widen too.
    """
    study = study_of(tmp_path, 'kind = "seeded", accounts = 50, leverage_median = 60')
    asked = {"accounts": 40, "start": START + 2 * BAR, "end": START + 14 * BAR}
    first, _, last = verify(study, policy="rarely", seed=7, **asked)
    assert first == "40 accounts, 48 steps, policy 'rarely'."
    closed_out, *_, refused, differences = counts(last)
    assert closed_out, last
    assert refused, last
    assert differences == 0


@on_a_copy
def test_they_agree_where_orders_are_held_to_limits(study: Study) -> None:
    *_, last = verify(study, policy="limited")
    assert counts(last)[4] > 20, last
    assert counts(last)[-1] == 0


@on_a_copy
def test_they_agree_where_close_outs_reduce_positions(study: Study) -> None:
    *_, last = verify(study, policy="reduced")
    assert counts(last)[0] > 10, last
    assert counts(last)[-1] == 0


@on_a_copy
@pytest.mark.parametrize("policy", ["brackets", "reduced by brackets"])
def test_they_agree_where_brackets_say_what_is_required(study: Study, policy: str) -> None:
    *_, last = verify(study, policy=policy)
    assert counts(last)[0] > 5, last
    assert counts(last)[4] > 0, last
    assert counts(last)[-1] == 0


def adding() -> Iterator[str]:
    """Shorts that are added to once they have lost much, with ever more left above their margin."""
    for number in range(ACCOUNTS):
        for bar, size, leverage in ((1, 1, 20), (10, D("0.2"), 10)):
            at = START + bar * BAR
            yield (
                f"trader-{number:02},advanced,{25_000 + 100 * number},BTCUSDT,short,{size},"
                f"{leverage},{at:%Y-%m-%dT%H:%M:%SZ}"
            )


@on_a_copy
def test_they_agree_where_an_order_would_leave_less_than_is_required(
    study: Study, tmp_path: Path
) -> None:
    closes = [100_000 + 2_500 * min(number, 8) for number in range(BARS)]
    candle_file(tmp_path, bars=[f"{close},{close},{close},{close}" for close in closes])
    write_rows(tmp_path / "accounts.csv", list(adding()), HEADER)
    study = read_study(tmp_path / "study.toml")
    trial = trial_of(study, ACCOUNTS, (None, None), ("brackets that grow", None))
    outcome = run(trial.tape, trial.population, trial.policy, impact=ImpactSpec(), fund=0)
    assert 5 < outcome.refused["below_maintenance"] < ACCOUNTS / 2
    *_, last = verify(study, policy="brackets that grow")
    assert counts(last)[-1] == 0


def repeating() -> Iterator[str]:
    """Entries of accounts that come in one bar, and in the next ones; some too often."""
    for number in range(12):
        for bar, often in enumerate((1, number % 4, 1, 2)):
            for turn in range(often):
                symbol, price = sorted(PRICES.items())[turn % 2]
                side, size = ("long", "short")[turn // 2], f"{D(2_000) / price:.4f}"
                at = START + (bar + 1) * BAR
                yield (
                    f"trader-{number:02},intermediate,5000,{symbol},{side},{size},2,"
                    f"{at:%Y-%m-%dT%H:%M:%SZ}"
                )


@on_a_copy
def test_they_agree_where_fills_hold_accounts_back(study: Study, tmp_path: Path) -> None:
    write_rows(tmp_path / "accounts.csv", list(repeating()), HEADER)
    trial = trial_of(study, ACCOUNTS, (None, None), ("throttled", None))
    outcome = run(trial.tape, trial.population, trial.policy, impact=ImpactSpec(), fund=0)
    assert 5 < outcome.refused["reducing_only"] < outcome.orders / 2
    *_, last = verify(study, policy="throttled")
    assert counts(last)[-1] == 0


@on_a_copy
def test_another_threshold_is_found_out_with_step_and_account(study: Study) -> None:
    """The command prints what differs, fails, and says how often."""
    before, out = databases(), io.StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("lab", "verify", study.file, "--threshold", "0.25", stdout=out)
    told = f"{out.getvalue()}{failure.value}"
    where = r"^step \d+ \(2025-10-10T00:\d\d:00Z\), account trader-\d\d: .* in the lab"
    assert re.search(where, told, re.MULTILINE), told
    assert re.search(r"The lab and the exchange differ \d+ times", told), told
    assert databases() == before


class Interrupting(io.StringIO):
    """Presses Ctrl-C once the replay begins, at the line that names its database."""

    def write(self, text: str) -> int:
        written = super().write(text)
        if "_lab_verify" in text:
            press_ctrl_c()
        return written


def press_ctrl_c() -> None:
    assert connection.settings_dict["NAME"] in databases()
    signal.raise_signal(signal.SIGINT)


def stopped(study: Study, out: io.StringIO) -> list[str]:
    """Verify until Ctrl-C; return what was said before, once the database is seen to be gone."""
    before = databases()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(CommandError, match=r"^Stopped; the database is dropped\.$") as failure:
            call_command("lab", "verify", study.file, stdout=out)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert failure.value.returncode == 130
    assert databases() == before
    assert not User.objects.exists()
    return out.getvalue().splitlines()


@on_a_copy
def test_who_interrupts_it_leaves_no_database(study: Study) -> None:
    accounts, database = stopped(study, Interrupting())
    assert "40 accounts" in accounts
    assert "_lab_verify" in database


def test_its_database_begins_empty_and_is_migrated(study: Study) -> None:
    """Who interrupts that leaves no database either."""
    found = list[tuple[str, list[str]]]()

    def look(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith("CREATE TABLE") and not found:
            with connection.cursor() as cursor:
                tables = connection.introspection.table_names(cursor)
            found.append((connection.settings_dict["NAME"], tables))
            press_ctrl_c()
        return execute(sql, *args)

    with connection.execute_wrapper(look):
        [accounts] = stopped(study, io.StringIO())
    assert "40 accounts" in accounts
    [(name, tables)] = found
    assert name.endswith("_lab_verify")
    assert tables == []


def test_two_at_once_are_refused(study: Study) -> None:
    scratch = f"{connection.settings_dict['NAME']}_lab_verify"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{scratch}"')
        with psycopg.connect(**{**connection.get_connection_params(), "dbname": scratch}):
            lines = verify(study)
            next(lines)
            with pytest.raises(NoScratchDatabase, match="no other verification runs"):
                next(lines)
        cursor.execute(f'DROP DATABASE "{scratch}" WITH (FORCE)')


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"policy": "none"}, "has no policy 'none'; it has partly, rarely, limited"),
        ({"accounts": 0}, "one account at least"),
        ({"start": START + 15 * BAR}, "no bar is in all files"),
    ],
)
def test_what_cannot_be_replayed_is_refused(study: Study, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(LabError, match=says):
        next(verify(study, **asked))
