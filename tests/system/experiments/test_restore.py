"""A saved state of the exchange comes back whole, again and again, or nothing changes."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import User
from accounts.services import create_user
from kpi.experiments import services, standstill
from kpi.experiments.manifest import Manifest
from kpi.experiments.state import present_state
from market.kernel import jobs
from market.kernel.database import disconnect
from market.models import PriceTick
from risk.engine import Intent
from risk.models import RiskPolicy
from tests.conftest import ApiClient
from tests.system.experiments.conftest import Server
from trading.services import place_order
from trading.steps.patient import run_market_step_when_free


def experiment(*arguments: str) -> str:
    out = StringIO()
    call_command("experiment", *arguments, stdout=out)
    return out.getvalue()


def trade() -> int:
    """Place an order of the first user and return its id."""
    user = User.objects.get(username="beginner")
    return place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, Decimal("0.01"))).order.pk


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Orders of a moment ago are no reason to refuse, but where a test is about that."""
    monkeypatch.setattr(services, "QUIET", services.QUIET * 0)
    settings.SIMULATION_SEED = "7"


@pytest.fixture
def start(exchange: None, quiet: None) -> Manifest:
    """The state of demo data, saved by the first test of this file that asks for it."""
    known = {one.name: one for one in services.list_experiments()}
    return known.get("start") or services.save_experiment(name="start")


def test_three_restores_bring_back_every_row_the_next_price_and_the_next_order(
    start: Manifest,
) -> None:
    def go_on() -> tuple[Any, ...]:
        prices = {pk: quote.price for pk, quote in run_market_step_when_free().quotes.items()}
        order_id = trade()
        create_user(username="late")
        RiskPolicy.objects.update(user_exposure_limit=1)
        return prices, order_id, PriceTick.objects.latest("id").pk

    runs = []
    for count in range(3):
        runs.append(go_on())
        assert present_state() != start.state
        printed = experiment("restore", "start")
        assert f"restore {count + 1} of it" in printed
        assert "accounts_user 6 → 5 rows" in printed
        assert "policy digest" in printed
        assert "The ledger is clean, the audit trail is sound." in printed
        assert start.state.audit_head in printed
        assert present_state() == start.state
    assert runs[0] == runs[1] == runs[2]
    [manifest] = services.list_experiments()
    assert (manifest.restores, len(manifest.restored_at)) == (3, 3)
    assert manifest.state == start.state


def test_a_token_whose_key_a_restore_took_away_opens_no_key_that_is_issued_later(
    start: Manifest,
) -> None:
    def token_of(name: str) -> str:
        return issue_token(issue_api_key(reason="A test", user=create_user(username=name))[0])

    def opens(token: str) -> str | None:
        client = ApiClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client.get("/account/me").json().get("username")

    early = token_of("early")
    assert opens(early) == "early"
    experiment("restore", "start")
    late = token_of("late")
    assert (opens(early), opens(late)) == (None, "late")
    experiment("restore", "start")
    assert (opens(early), opens(late)) == (None, None)


def test_a_restore_is_refused_while_orders_come_in_unless_trading_is_halted(
    start: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade()
    before = present_state()
    monkeypatch.setattr(services, "QUIET", services.QUIET.resolution * 60_000_000)
    with pytest.raises(CommandError, match="Orders come in, 1 in the last 60 s"):
        experiment("restore", "start")
    assert present_state() == before
    RiskPolicy.objects.update(trading_halted=True)
    experiment("restore", "start")
    assert present_state() == start.state


def test_a_restore_waits_for_no_writer_for_ever_and_says_who_it_is(
    start: Manifest, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standstill, "PATIENCE", 0.1)
    before = present_state()
    parameters = connection.get_connection_params() | {"application_name": "notebook"}
    with psycopg.connect(**parameters) as writer:
        writer.execute("UPDATE accounts_user SET last_name = 'x' WHERE id = 1")
        with pytest.raises(CommandError, match=r"process \d+, notebook at .*UPDATE accounts_user"):
            experiment("restore", "start")
        writer.rollback()
        assert present_state() == before
    with psycopg.connect(**parameters) as idle:
        experiment("restore", "start")
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")


def test_what_was_saved_by_other_migrations_or_altered_is_refused(
    start: Manifest, server: Server, database: str
) -> None:
    saved = sql.Identifier(f"{database}_saved_start")
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
    original = services.list_experiments()[0].written()

    def pretend(**values: Any) -> None:
        text = json.dumps(json.loads(original) | values)
        server.execute(comment.format(saved, sql.Literal(text)))

    trade()
    before = present_state()
    pretend(migrations=[*start.migrations, "market.9999_later"], commit="abc")
    with pytest.raises(CommandError, match=r"market\.9999_later .* the code that saved it \(abc\)"):
        experiment("restore", "start")
    pretend(state=start.state.as_json() | {"step": 99})
    with pytest.raises(CommandError, match=r"altered after it was saved.*step 99 →"):
        experiment("restore", "start")
    server.execute(comment.format(saved, sql.Literal("no manifest")))
    with pytest.raises(CommandError, match="There is no experiment 'start'; there are: none"):
        experiment("restore", "start")
    server.execute(comment.format(saved, sql.Literal(original)))
    assert present_state() == before
    experiment("restore", "start")


def test_books_that_do_not_add_up_are_not_saved() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE risk_instrumentexposure SET long_quantity = 1")
    try:
        with pytest.raises(CommandError, match=r"Nothing was saved: the ledger has \d+ difference"):
            experiment("save", "broken")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE risk_instrumentexposure SET long_quantity = 0")


def test_a_name_is_small_letters_digits_hyphens_and_underscores() -> None:
    for name in ("", "Big", "a b", "../x", 'a"; DROP', "a-", "_a", "x" * 31, "ä", "a\n"):
        with pytest.raises(CommandError, match="is no name of an experiment"):
            experiment("save", name)


def test_a_name_is_taken_once_and_free_again_after_it_is_deleted(server: Server) -> None:
    assert "commit " in experiment("save", "one-more")
    with pytest.raises(CommandError, match="already: delete it first"):
        experiment("save", "one-more")
    assert "one-more: " in experiment("list")
    assert experiment("delete", "one-more") == "Deleted one-more.\n"
    assert "one-more" not in experiment("list")
    with pytest.raises(CommandError, match="There is no experiment 'one-more'"):
        experiment("delete", "one-more")


def test_the_next_command_may_come_before_the_server_hears_that_one_has_ended() -> None:
    with pytest.MonkeyPatch.context() as patch:
        open_still: list[psycopg.Connection[Any]] = []
        patch.setattr(psycopg.Connection, "close", lambda one: open_still.append(one))
        assert [experiment("list"), experiment("list")]
    assert open_still
    for one in open_still:
        one.close()


def test_what_a_killed_command_left_and_counts_and_jobs_of_the_replaced_state_are_forgotten(
    start: Manifest, server: Server, database: str
) -> None:
    for kind in ("saving", "restoring", "replaced"):
        name = sql.Identifier(f"{database}__{kind}")
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
    cache.set("rl:of-a-key", 100, 60)
    jobs.send_job("trading.tasks.run_market_step")
    assert services.restore_experiment(name="start").jobs == 1
    assert cache.get("rl:of-a-key") is None
    query = "SELECT count(*) FROM pg_database WHERE starts_with(datname, %s)"
    assert server.execute(query, [f"{database}__"]).fetchone() == (0,)


def test_a_role_that_may_not_create_databases_is_told_what_it_lacks(server: Server) -> None:
    server.execute("DROP ROLE IF EXISTS poor")
    server.execute("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    own = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    disconnect()
    connection.settings_dict.update(USER="poor", PASSWORD="poor")
    try:
        with pytest.raises(CommandError, match="CREATEDB"):
            experiment("list")
    finally:
        disconnect()
        connection.settings_dict.update(own)
        server.execute("DROP ROLE poor")
