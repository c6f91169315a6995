"""The database itself refuses what the exchange never does, past every guard in Python.

Each case breaks one invariant by raw SQL and names the constraint or trigger that must answer.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal as D
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import Account, ApiKey, Tier, Transfer, User
from accounts.services import create_user
from market.kernel.states import TradingState
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.services import list_instrument, resume_instrument
from risk.bound_models import ReferencePrice
from risk.bounds import renew_bounds
from risk.models import GlobalExposure, Position, RiskPolicy
from tests.conftest import undone
from tests.each import each
from tests.trading.conftest import doubt, order
from trading.history.ledger_check import ledger_differences
from trading.models import Liquidation, Order, OrderStatus, ParkedAnswer, Trade
from trading.services import cancel_order
from trading.steps.by_hand import set_price, step_at_prices
from trading.steps.step import run_market_step
from trading.venues.kill import begin, kill, scope_named
from trading.venues.staff_settlement import adjust_parked

pytestmark = pytest.mark.django_db

MONEY_APPS = ("market", "accounts", "risk", "trading")


class Break(NamedTuple):
    """An attempt on an invariant and the name of what refuses it."""

    invariant: str
    sql: str
    refused_by: str


def copied(table: str, **columns: str) -> str:
    """Return an INSERT of one more row like the last one of ``table``, but for ``columns``."""
    model = next(m for m in apps.get_models() if m._meta.db_table == table)
    names = [str(f.column) for f in model._meta.concrete_fields if not f.primary_key]
    values = ", ".join(columns.get(name, name) for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} "


def new_order(*, status: str = "'NEW'", **columns: str) -> str:
    """Return an INSERT of an order like the resting one, without its client_order_id."""
    columns = {"client_order_id": "NULL", "status": status, **columns}
    return copied("trading_order", **columns) + "WHERE status = 'NEW' LIMIT 1"


def append_only(table: str, assignment: str, name: str) -> list[Break]:
    return [
        Break(f"{table} is never updated", f"UPDATE {table} SET {assignment}", name),
        Break(f"{table} is never deleted from", f"DELETE FROM {table}", name),
        Break(f"{table} is never truncated", f"TRUNCATE {table} CASCADE", name),
    ]


def kept(table: str, name: str) -> list[Break]:
    return [
        Break(f"{table} is never deleted from", f"DELETE FROM {table}", name),
        Break(f"{table} is never truncated", f"TRUNCATE {table}", name),
    ]


def is_number(table: str, name: str, *columns: str) -> list[Break]:
    """Return an attempt to store NaN, which PostgreSQL ranks above every number, per column."""
    return [
        Break(f"{table}.{column} is no NaN", f"UPDATE {table} SET {column} = 'NaN'", name)
        for column in columns
    ]


def inserted_number(table: str, name: str, *columns: str) -> list[Break]:
    """Return the same for a table that takes inserts only."""
    return [
        Break(f"{table}.{c} is no NaN", copied(table, **{c: "'NaN'"}) + "LIMIT 1", name)
        for c in columns
    ]


SYSTEM_BALANCES = [
    *kept("accounts_systembalance", "system_balance_is_kept")[:1],
    Break(
        "checkpoints are never truncated",
        "TRUNCATE accounts_systembalance, accounts_systemmovement",
        "system_balance_is_kept",
    ),
    Break(
        "a checkpoint changes only by folding",
        "UPDATE accounts_systembalance SET balance = balance + 1",
        "system_balance_only_by_folding",
    ),
    Break(
        "a checkpoint begins at zero",
        "INSERT INTO accounts_systembalance (account_id, balance)"
        " SELECT id, 1 FROM accounts_account WHERE kind = 'house'",
        "system_balance_opens_empty",
    ),
    Break(
        "a movement is made by a transfer",
        "INSERT INTO accounts_systemmovement (system_balance_id, amount)"
        " SELECT account_id, 1 FROM accounts_systembalance",
        "movement_only_by_transfer",
    ),
    Break(
        "a movement never changes",
        "UPDATE accounts_systemmovement SET amount = amount + 1",
        "movement_is_fixed",
    ),
    Break(
        "movements are never truncated",
        "TRUNCATE accounts_systemmovement",
        "movement_is_fixed",
    ),
]

LEDGER = [
    *append_only("accounts_transfer", "amount = amount + 1", "transfer_append_only"),
    Break(
        "a transfer's amount is positive",
        copied("accounts_transfer", amount="0"),
        "transfer_amount_positive",
    ),
    Break(
        "a transfer's amount is not negative",
        copied("accounts_transfer", amount="-1"),
        "transfer_amount_positive",
    ),
    *inserted_number("accounts_transfer", "transfer_is_a_number", "amount"),
    Break(
        "a transfer has two accounts",
        copied("accounts_transfer", debit_account_id="credit_account_id"),
        "transfer_two_accounts",
    ),
    Break(
        "a transfer's kind is known",
        copied("accounts_transfer", kind="'gift'"),
        "transfer_kind_known",
    ),
    Break(
        "a staff adjustment has a reason",
        copied("accounts_transfer", kind="'adjustment'", reason="''"),
        "transfer_adjustment_is_explained",
    ),
    Break(
        "a balance never falls below zero",
        copied(
            "accounts_transfer",
            debit_account_id="credit_account_id",
            credit_account_id="debit_account_id",
            amount="1000000",
        )
        + "WHERE kind = 'deposit' AND reason = 'Opening balance' LIMIT 1",
        "account_balance_not_negative",
    ),
    Break(
        "what the throttle holds back only reduces",
        "UPDATE accounts_account SET throttled = '5 fills in 60 s' WHERE kind = 'user'",
        "account_throttled_reduces",
    ),
    Break(
        "no fill has a number below zero",
        "UPDATE accounts_account SET fills_before = -1 WHERE kind = 'user'",
        "account_fills_not_negative",
    ),
    Break(
        "a balance changes only by a transfer",
        "UPDATE accounts_account SET balance = balance + 1 WHERE kind = 'user'",
        "account_balance_only_by_transfer",
    ),
    Break(
        "an account opens empty",
        "INSERT INTO accounts_account (kind, user_id, balance, suspended, created_at)"
        " SELECT 'user', max(id) + 1, 5, false, now() FROM accounts_user",
        "account_opens_empty",
    ),
    *kept("accounts_account", "account_is_kept")[:1],
    Break("accounts are never truncated", "TRUNCATE accounts_account CASCADE", "account_is_kept"),
    Break(
        "an account keeps its number",
        "UPDATE accounts_account SET id = id + 1000",
        "account_owner_is_fixed",
    ),
    Break(
        "an account keeps its owner",
        "UPDATE accounts_account SET user_id = user_id + 1000 WHERE kind = 'user'",
        "account_owner_is_fixed",
    ),
    Break(
        "an account keeps its kind",
        "UPDATE accounts_account SET kind = 'house' WHERE kind = 'fees'",
        "account_owner_is_fixed",
    ),
    Break(
        "a user's account has an owner",
        "INSERT INTO accounts_account (kind, balance, suspended, created_at)"
        " VALUES ('user', 0, false, now())",
        "account_owner_matches_kind",
    ),
    Break(
        "an account's kind is known",
        "INSERT INTO accounts_account (kind, balance, suspended, created_at)"
        " VALUES ('slush', 0, false, now())",
        "account_kind_known",
    ),
    Break(
        "there is one system account of each kind",
        "INSERT INTO accounts_account (kind, balance, suspended, created_at)"
        " VALUES ('house', 0, false, now())",
        "account_one_of_each_system_kind",
    ),
    Break(
        "a user has one account",
        copied("accounts_account", balance="0") + "WHERE kind = 'user' LIMIT 1",
        "accounts_account_user_id_key",
    ),
    *kept("accounts_accountpolicy", "account_policy_is_kept"),
    Break(
        "there is one account policy",
        "INSERT INTO accounts_accountpolicy (id, opening_balance) VALUES (2, 1)",
        "account_policy_single_row",
    ),
    Break(
        "an opening balance is not negative",
        "UPDATE accounts_accountpolicy SET opening_balance = -1",
        "opening_balance_not_negative",
    ),
    *is_number("accounts_accountpolicy", "account_policy_is_a_number", "opening_balance"),
    *(
        Break(
            f"{written!r} is no weight of a call",
            f"UPDATE accounts_accountpolicy SET request_weights = '{written}'",
            "request_weights_known",
        )
        for written in ("GET /a: 1", "GET /a: 101", "GET /a: 2,", "GET /a: 2 POST /b: 3", "/a: 2")
    ),
    *kept("accounts_ratelimit", "rate_limit_is_kept"),
    Break(
        "rate limits stay those of their tier",
        "UPDATE accounts_ratelimit SET tier = 'advanced' WHERE tier = 'beginner'",
        "rate_limit_is_fixed",
    ),
    Break(
        "a tier and scopes have one row of rate limits",
        "INSERT INTO accounts_ratelimit (tier, scopes) VALUES ('beginner', 'read')",
        "rate_limit_once",
    ),
    Break(
        "rate limits are of a tier",
        "INSERT INTO accounts_ratelimit (tier, scopes) VALUES ('whale', 'read')",
        "rate_limit_tier_known",
    ),
    Break(
        "rate limits are of scopes",
        "INSERT INTO accounts_ratelimit (tier, scopes) VALUES ('beginner', 'trade')",
        "rate_limit_scopes_known",
    ),
    Break(
        "a rate limit lets something pass",
        "UPDATE accounts_ratelimit SET requests_per_minute = 0",
        "rate_limit_in_range",
    ),
    Break(
        "a rate limit is no longer than Redis keeps",
        "UPDATE accounts_ratelimit SET orders_per_10_seconds = 100001 WHERE scopes <> 'read'",
        "rate_limit_in_range",
    ),
    Break(
        "keys that only read have no limit of orders",
        "UPDATE accounts_ratelimit SET orders_per_minute = 1",
        "rate_limit_readers_place_no_orders",
    ),
]

CREDENTIALS = [
    Break(
        "a user's tier is known",
        "UPDATE accounts_user SET tier = 'whale'",
        "user_tier_known",
    ),
    Break(
        "a revoked key stays revoked",
        "UPDATE accounts_apikey SET revoked_at = NULL WHERE revoked_at IS NOT NULL",
        "api_key_stays_revoked",
    ),
    Break(
        "a key keeps its number",
        "UPDATE accounts_apikey SET id = id + 1000",
        "api_key_is_fixed",
    ),
    Break(
        "a key keeps its secret",
        "UPDATE accounts_apikey SET key_hash = repeat('0', 64)",
        "api_key_is_fixed",
    ),
    Break(
        "a key keeps its user",
        "UPDATE accounts_apikey SET user_id = user_id + 1",
        "api_key_is_fixed",
    ),
    Break(
        "a key keeps which one it replaces",
        "UPDATE accounts_apikey SET replaces_id = id",
        "api_key_is_fixed",
    ),
    Break(
        "a key's scopes are known",
        "UPDATE accounts_apikey SET scopes = 'trade'",
        "api_key_scopes_known",
    ),
    Break(
        "a key's networks are few",
        "UPDATE accounts_apikey SET networks = array_fill('192.0.2.0/24'::cidr, ARRAY[33])",
        "api_key_networks_bounded",
    ),
    Break(
        "two keys never share a secret",
        copied("accounts_apikey"),
        "accounts_apikey_key_hash_key",
    ),
    Break(
        "two users never share a name",
        "UPDATE accounts_user SET username = 'same'",
        "accounts_user_username_key",
    ),
]

POSITIONS = [
    Break(
        "one open position per account and instrument",
        copied("risk_position") + "WHERE status = 'OPEN' LIMIT 1",
        "position_one_open_per_instrument",
    ),
    Break(
        "a closed position has no quantity",
        copied("risk_position", quantity="1", cost="1") + "WHERE status = 'CLOSED' LIMIT 1",
        "position_flat_when_closed",
    ),
    Break(
        "a closed position holds no margin",
        copied("risk_position", margin="1") + "WHERE status = 'CLOSED' LIMIT 1",
        "position_flat_when_closed",
    ),
    Break(
        "a closed position has no cost",
        copied("risk_position", cost="1") + "WHERE status = 'CLOSED' LIMIT 1",
        "position_cost_has_sign_of_quantity",
    ),
    Break(
        "an open position is not empty",
        "UPDATE risk_position SET quantity = 0, cost = 0 WHERE status = 'OPEN'",
        "position_flat_when_closed",
    ),
    Break(
        "a position's status is known",
        "UPDATE risk_position SET status = 'GONE' WHERE status = 'OPEN'",
        "position_flat_when_closed",
    ),
    Break(
        "cost has the sign of quantity",
        "UPDATE risk_position SET cost = -cost WHERE status = 'OPEN'",
        "position_cost_has_sign_of_quantity",
    ),
    Break(
        "a position's margin is not negative",
        "UPDATE risk_position SET margin = -1 WHERE status = 'OPEN'",
        "position_margin_not_negative",
    ),
    Break(
        "a position's leverage is at least one",
        "UPDATE risk_position SET leverage = 0 WHERE status = 'OPEN'",
        "position_leverage_at_least_one",
    ),
    Break(
        "a closed position never changes again",
        "UPDATE risk_position SET realized_pnl = realized_pnl + 1 WHERE status = 'CLOSED'",
        "position_closed_is_final",
    ),
    Break(
        "a closed position never opens again",
        "UPDATE risk_position SET status = 'OPEN', closed_at = NULL, quantity = 1, cost = 1"
        " WHERE status = 'CLOSED'",
        "position_closed_is_final",
    ),
    Break(
        "a position keeps its number",
        "UPDATE risk_position SET id = id + 1000 WHERE status = 'OPEN'",
        "position_is_fixed",
    ),
    Break(
        "a position keeps its account",
        "UPDATE risk_position SET account_id = account_id + 1 WHERE status = 'OPEN'",
        "position_is_fixed",
    ),
    *kept("risk_position", "position_is_kept"),
    *inserted_number("risk_position", "position_amounts_are_numbers", "quantity", "cost", "margin")[
        2:
    ],
    *(
        Break(
            f"an open position's {column} is no NaN",
            f"UPDATE risk_position SET {column} = 'NaN' WHERE status = 'OPEN' AND quantity > 0",
            "position_amounts_are_numbers",
        )
        for column in ("quantity", "cost", "margin", "realized_pnl")
    ),
]

RISK = [
    *kept("risk_riskpolicy", "risk_policy_is_kept"),
    Break(
        "there is one risk policy",
        copied("risk_riskpolicy").replace("(", "(id, ", 1).replace("SELECT ", "SELECT 2, ", 1),
        "risk_policy_single_row",
    ),
    Break(
        "a limit is not negative",
        "UPDATE risk_riskpolicy SET global_exposure_threshold = -1",
        "risk_policy_limits_not_negative",
    ),
    Break(
        "the close-out mode is known",
        "UPDATE risk_riskpolicy SET liquidation_mode = 'never'",
        "risk_policy_mode_known",
    ),
    Break(
        "a close-out aims at its threshold at least",
        "UPDATE risk_riskpolicy SET close_out_target = 0.99999999",
        "risk_policy_target_above_threshold",
    ),
    *is_number("risk_riskpolicy", "risk_policy_target_above_threshold", "close_out_target"),
    *(
        Break(
            f"what a close-out reduces by is no {share}",
            f"UPDATE risk_riskpolicy SET close_out_share = {share}",
            "risk_policy_close_out_is_a_share",
        )
        for share in ("0", "1.00000001", "'NaN'")
    ),
    Break(
        "the age of a mark is not negative",
        "UPDATE risk_riskpolicy SET max_mark_age_seconds = -1",
        "risk_riskpolicy_max_mark_age_seconds_check",
    ),
    *is_number(
        "risk_riskpolicy",
        "risk_policy_limits_are_numbers",
        "user_exposure_limit",
        "global_exposure_threshold",
        "liquidation_threshold",
    ),
    Break(
        "a number of open orders is not negative",
        "UPDATE risk_riskpolicy SET max_open_orders = -1",
        "risk_riskpolicy_max_open_orders_check",
    ),
    Break(
        "the price collar is positive",
        "UPDATE risk_riskpolicy SET price_collar = 0",
        "risk_policy_collar_positive",
    ),
    *is_number("risk_riskpolicy", "risk_policy_collar_positive", "price_collar"),
    Break(
        "the price band is not negative",
        "UPDATE risk_riskpolicy SET price_band = -1",
        "risk_policy_band_not_negative",
    ),
    *is_number("risk_riskpolicy", "risk_policy_band_not_negative", "price_band"),
    Break(
        "a tier's largest order is above zero",
        "UPDATE risk_leveragelimit SET max_order_value = 0",
        "leverage_order_value_positive",
    ),
    *is_number("risk_leveragelimit", "leverage_order_value_positive", "max_order_value"),
    Break(
        "a tier's largest value a minute is above zero",
        "UPDATE risk_leveragelimit SET max_minute_value = 0",
        "leverage_minute_value_positive",
    ),
    *is_number("risk_leveragelimit", "leverage_minute_value_positive", "max_minute_value"),
    Break(
        "duplicates are refused for a minute at most",
        "UPDATE risk_riskpolicy SET duplicate_seconds = 61",
        "risk_policy_duplicates_within_a_minute",
    ),
    *(
        Break(
            f"{fills} fills hold nobody back",
            f"UPDATE risk_riskpolicy SET max_fills = {fills}",
            "risk_policy_fills_repeat",
        )
        for fills in (-1, 1, 10_001)
    ),
    *(
        Break(
            f"fills are not counted in {seconds} seconds",
            f"UPDATE risk_riskpolicy SET fills_window_seconds = {seconds}",
            "risk_policy_fills_within_an_hour",
        )
        for seconds in (0, 3_601)
    ),
    Break(
        "duplicates are not refused for less than no time",
        "UPDATE risk_riskpolicy SET duplicate_seconds = -1",
        "risk_riskpolicy_duplicate_seconds_check",
    ),
    *(
        Break(
            f"an instrument's {column} is above zero",
            f"UPDATE market_instrument SET {column} = 0",
            "instrument_order_limits_positive",
        )
        for column in ("max_order_size", "max_order_value")
    ),
    *is_number(
        *("market_instrument", "instrument_order_limits_positive"),
        *("max_order_size", "max_order_value"),
    ),
    Break(
        "a window of volatility is of a day at most",
        "UPDATE risk_riskpolicy SET volatility_window_minutes = 1441",
        "risk_policy_window_of_a_day",
    ),
    *(
        Break(
            f"{bands!r} are no bands of volatility",
            f"UPDATE risk_riskpolicy SET volatility_bands = '{bands}'",
            "risk_policy_bands_known",
        )
        for bands in (
            *("0.03", "0.03: 1", "0: 0.5", "5: 0.5", "0.030: 0.5", "0.03:0.5", "NaN: 0.5"),
            *("0.06: 0.75, 0.03: 0.5", "0.03: 0.5, 0.06: 0.75", "0.03: 0.5, 0.03: 0.4"),
            ", ".join(f"0.0{n}: 0.{10 - n}" for n in range(1, 10)),
        )
    ),
    Break(
        "the mode of margins is known",
        "UPDATE risk_riskpolicy SET margin_mode = 'never'",
        "risk_policy_margin_mode_known",
    ),
    *(
        Break(
            f"{ladders!r} are no brackets of maintenance",
            f"UPDATE risk_riskpolicy SET maintenance_brackets = '{ladders}'",
            "risk_policy_brackets_known",
        )
        for ladders in (
            *("AB", "AB 9: 0.1", "AB 0: 0.1 5x", "AB 9: 0.10 5x", "AB 9: 1.1 5x", "ab 9: 0.1 5x"),
            *("AB 9: 0.1 5x 0", "AB 9: 0.1 5x;", "AB 9: 0.00001 32768x", "AB 9: 0.000000001 5x"),
            *(f"AB 9: 0.1 5x, {next}" for next in ("9: 0.2 4x", "10: 0.1 4x", "10: 0.2 5x")),
            *(
                "AB 9: 0.1 5x; AB 9: 0.1 5x",
                "AC 9: 0.1 5x; AB 9: 0.1 5x",
                "AB 9: 0.1 5x; 9: 0.2 4x",
            ),
            *("AB 1000000000000000: 0.1 5x", "AB 9: 0.1 5x;AC 9: 0.1 5x"),
            "AB " + ", ".join(f"{n}: 0.0{n + 10}1 {30 - n}x" for n in range(1, 14)),
            *("AB 9: 0.1 11x", "AB 9: 0.1 9x, 10: 0.2 6x"),
        )
    ),
    Break(
        "a tier's leverage is at least one",
        "UPDATE risk_leveragelimit SET max_leverage = 0",
        "leverage_at_least_one",
    ),
    Break(
        "a leverage limit's tier is known",
        "INSERT INTO risk_leveragelimit (tier, max_leverage) VALUES ('whale', 100)",
        "leverage_tier_known",
    ),
    Break(
        "a tier's state is known",
        "UPDATE risk_leveragelimit SET tier_state = 'CLOSED'",
        "leverage_state_known",
    ),
    *kept("risk_globalexposure", "global_exposure_is_kept"),
    Break(
        "there is one global exposure",
        "INSERT INTO risk_globalexposure (id, total) VALUES (2, 0)",
        "global_exposure_single_row",
    ),
    Break(
        "global exposure is not negative",
        "UPDATE risk_globalexposure SET total = -1",
        "global_exposure_not_negative",
    ),
    *is_number("risk_globalexposure", "global_exposure_is_a_number", "total"),
    *kept("risk_instrumentexposure", "instrument_exposure_is_kept"),
    *(
        Break(
            f"an instrument's {column} is not negative",
            f"UPDATE risk_instrumentexposure SET {column} = -1",
            "instrument_exposure_not_negative",
        )
        for column in ("mark_price", "long_quantity", "short_quantity", "order_notional")
    ),
    *is_number(
        "risk_instrumentexposure",
        "instrument_exposure_is_a_number",
        "mark_price",
        "long_quantity",
        "short_quantity",
        "order_notional",
    ),
    *kept("risk_reservation", "reservation_is_kept"),
    Break(
        "a reserved margin is not negative",
        "UPDATE risk_reservation SET reserved_margin = -1",
        "reservations_not_negative",
    ),
    Break(
        "a reserved notional is not negative",
        "UPDATE risk_reservation SET reserved_notional = -1",
        "reservations_not_negative",
    ),
    *is_number(
        "risk_reservation", "reservations_are_numbers", "reserved_margin", "reserved_notional"
    ),
]

IDENTITY = {
    "id": "id + 1000",
    "account_id": "account_id + 1",
    "instrument_id": "instrument_id + 1",
    "symbol": "'OTHER'",
    "client_order_id": "'another'",
    "fingerprint": "'another'",
    "side": "'sell'",
    "type": "'market'",
    "size": "size / 2",
    "price": "price + 1",
    "leverage": "leverage + 1",
    "reduce_only": "true",
    "liquidation": "true",
    "venue": "'binance_testnet'",
    "required_margin": "0",
    "user_exposure_after": "0",
    "global_exposure_after": "0",
    "created_at": "now()",
}

ORDERS = [
    *kept("trading_order", "order_is_kept")[:1],
    Break("orders are never truncated", "TRUNCATE trading_order CASCADE", "order_is_kept"),
    Break(
        "a client_order_id is used once per account",
        copied("trading_order") + "WHERE client_order_id IS NOT NULL",
        "order_client_id_once_per_account",
    ),
    Break(
        "an order's status is known",
        new_order(status="'LOST'", reserved_margin="0", reserved_notional="0"),
        "order_status_known",
    ),
    Break("an order's side is known", new_order(side="'hold'"), "order_side_and_type_known"),
    Break(
        "an order's type is known",
        new_order(type="'stop'", price="NULL"),
        "order_side_and_type_known",
    ),
    Break(
        "an order's first answer is known",
        new_order(accepted_as="'LOST'"),
        "order_first_answer_and_venue_known",
    ),
    Break(
        "an order was answered no more than it filled",
        new_order(answered_filled_size="size", answered_average_price="1"),
        "order_answered_fill_within_fill",
    ),
    *(
        Break(
            f"an order keeps the {column} of its first answer",
            f"UPDATE trading_order SET {column} = {value} WHERE status = 'NEW'",
            "order_first_answer_stands",
        )
        for column, value in {
            "accepted_as": "'FILLED'",
            "answered_filled_size": "1",
            "answered_average_price": "1",
        }.items()
    ),
    Break(
        "an order's venue is known",
        new_order(venue="'nasdaq'"),
        "order_first_answer_and_venue_known",
    ),
    Break("an accepted order has a size", new_order(size="0"), "order_accepted_is_complete"),
    Break(
        "an accepted order has an instrument",
        new_order(instrument_id="NULL"),
        "order_accepted_is_complete",
    ),
    Break(
        "an accepted order's leverage is at least one",
        new_order(leverage="0"),
        "order_accepted_is_complete",
    ),
    Break("a limit order has a price", new_order(price="NULL"), "order_limit_has_price"),
    Break("a limit price is positive", new_order(price="0"), "order_limit_has_price"),
    Break("a market order has no limit", new_order(type="'market'"), "order_market_has_no_limit"),
    Break(
        "a refused order has a code",
        new_order(
            status="'REJECTED'", reject_code="''", reserved_margin="0", reserved_notional="0"
        ),
        "order_rejected_has_code",
    ),
    Break(
        "an order fills no further than its size",
        "UPDATE trading_order SET status = 'PARTIALLY_FILLED', filled_size = size * 2,"
        " average_price = 1 WHERE status = 'NEW'",
        "order_filled_within_size",
    ),
    Break(
        "a filled order has an average price",
        "UPDATE trading_order SET status = 'PARTIALLY_FILLED', filled_size = size"
        " WHERE status = 'NEW'",
        "order_filled_within_size",
    ),
    Break(
        "a filled order has a filled size",
        "UPDATE trading_order SET status = 'FILLED', reserved_margin = 0, reserved_notional = 0"
        " WHERE status = 'NEW'",
        "order_fill_matches_status",
    ),
    Break(
        "a resting order with a fill is partially filled",
        "UPDATE trading_order SET filled_size = size / 2, average_price = 1 WHERE status = 'NEW'",
        "order_fill_matches_status",
    ),
    Break(
        "an order without a fill has no average price",
        "UPDATE trading_order SET average_price = 1 WHERE status = 'NEW'",
        "order_fill_matches_status",
    ),
    Break(
        "a reserved margin of an order is not negative",
        "UPDATE trading_order SET reserved_margin = -1 WHERE status = 'NEW'",
        "order_reserves_only_while_open",
    ),
    Break(
        "an order that has ended reserves nothing",
        "UPDATE trading_order SET status = 'CANCELED' WHERE status = 'NEW'",
        "order_reserves_only_while_open",
    ),
    Break(
        "a reduce-only order reserves nothing",
        new_order(reduce_only="true"),
        "order_reduce_only_reserves_nothing",
    ),
    Break(
        "a required margin is not negative",
        new_order(required_margin="-1"),
        "order_answer_not_negative",
    ),
    Break(
        "an exposure that was answered is not negative",
        new_order(global_exposure_after="-1"),
        "order_answer_not_negative",
    ),
    *(
        Break(
            f"what an account has sent is not {value}",
            new_order(sent_total=value),
            "order_sent_total_not_negative",
        )
        for value in ("-1", "'NaN'")
    ),
    *(
        Break(
            f"an order keeps its {column}",
            f"UPDATE trading_order SET {column} = {value} WHERE status = 'NEW'",
            "order_is_fixed",
        )
        for column, value in IDENTITY.items()
    ),
    *(
        Break(
            f"an order that is {status} never changes again",
            f"UPDATE trading_order SET triggered_at = now() WHERE status = '{status}'",
            "order_ended_is_final",
        )
        for status in ("FILLED", "CANCELED", "REJECTED")
    ),
    Break(
        "an order that has ended never opens again",
        "UPDATE trading_order SET status = 'NEW' WHERE status = 'CANCELED'",
        "order_ended_is_final",
    ),
    Break(
        "an accepted order is never pending again",
        "UPDATE trading_order SET status = 'PENDING_NEW' WHERE status = 'NEW'",
        "order_goes_forward",
    ),
    Break(
        "an accepted order is never refused",
        "UPDATE trading_order SET status = 'REJECTED', reject_code = 'late',"
        " reserved_margin = 0, reserved_notional = 0 WHERE status = 'NEW'",
        "order_goes_forward",
    ),
    *(
        Break(
            f"an order's {column} is no NaN",
            new_order(**{column: "'NaN'"}),
            "order_amounts_are_numbers",
        )
        for column in ("size", "price", "required_margin", "reserved_margin", "reserved_notional")
    ),
]

HISTORY = [
    *append_only("trading_trade", "fee = 0", "trading_trade_append_only"),
    *(
        Break(
            f"a trade's {column} is not {value}",
            copied("trading_trade", **{column: value}) + "LIMIT 1",
            "trade_amounts_positive",
        )
        for column, value in {"size": "0", "price": "-1", "notional": "1", "fee": "-1"}.items()
    ),
    Break(
        "a trade that is counted has a number from 1 on",
        copied("trading_trade", fill_number="0") + "WHERE liquidation_id IS NULL LIMIT 1",
        "trade_counted_is_no_close_out",
    ),
    Break(
        "no close-out is counted",
        copied("trading_trade", fill_number="1") + "WHERE liquidation_id IS NOT NULL LIMIT 1",
        "trade_counted_is_no_close_out",
    ),
    Break(
        "two fills of an account have no number in common",
        f"{copied('trading_trade', fill_number='1')} WHERE liquidation_id IS NULL LIMIT 1; "
        f"{copied('trading_trade')} WHERE fill_number IS NOT NULL LIMIT 1",
        "trade_fill_number_once_per_account",
    ),
    Break(
        "a trade's side is known",
        copied("trading_trade", side="'hold'") + "LIMIT 1",
        "trade_side_known",
    ),
    Break(
        "a trade's leverage is at least one",
        copied("trading_trade", leverage="0") + "LIMIT 1",
        "trade_leverage_at_least_one",
    ),
    *inserted_number("trading_trade", "trade_amounts_are_numbers", "fee", "realized_pnl"),
    Break(
        "a trade's size and notional are no NaN",
        copied("trading_trade", size="'NaN'", notional="'NaN'") + "LIMIT 1",
        "trade_amounts_are_numbers",
    ),
    *append_only("trading_liquidation", "bad_debt = 0", "trading_liquidation_append_only")[:2],
    Break(
        "trading_liquidation is never truncated",
        "ALTER TABLE trading_trade DISABLE TRIGGER trading_trade_append_only;"
        " TRUNCATE trading_liquidation CASCADE",
        "trading_liquidation_append_only",
    ),
    *(
        Break(
            f"a liquidation's {column} is not {value}",
            copied("trading_liquidation", **{column: value}),
            name,
        )
        for column, value, name in (
            ("insurance_paid", "-1", "liquidation_cover_not_negative"),
            ("bad_debt", "-1", "liquidation_cover_not_negative"),
            ("margin_before", "0", "liquidation_began_in_breach"),
            ("margin_after", "-1", "liquidation_began_in_breach"),
            ("margin_ratio_before", "threshold + 1", "liquidation_began_in_breach"),
            ("margin_ratio_before", "NULL", "liquidation_began_in_breach"),
            ("maintenance_before", "equity_before + 1", "liquidation_began_in_breach"),
            ("maintenance_after", "1", "liquidation_began_in_breach"),
            ("mode", "'gently'", "liquidation_mode_known"),
        )
    ),
    *(
        Break(
            f"a liquidation by brackets, {what}",
            copied("trading_liquidation", maintenance_before=before, maintenance_after=after),
            "liquidation_began_in_breach",
        )
        for what, before, after in (
            ("of an account that had its maintenance", "equity_before", "0"),
            ("with less than no maintenance", "equity_before + 1", "-1"),
        )
    ),
    Break(
        "a liquidation's ratio above its threshold is one by brackets",
        copied("trading_liquidation", margin_ratio_before="2 * threshold + 9"),
        "liquidation_began_in_breach",
    ),
    *inserted_number(
        "trading_liquidation", "liquidation_amounts_are_numbers", "equity_before", "bad_debt"
    ),
]

PARKED = [
    *kept("trading_parkedanswer", "parked_answer_is_kept"),
    Break(
        "a parked answer stays as it came",
        "UPDATE trading_parkedanswer SET complaint = 'none' WHERE settled_at IS NULL",
        "parked_answer_is_fixed",
    ),
    Break(
        "a parked answer is settled once",
        "UPDATE trading_parkedanswer SET reason = 'another' WHERE settled_at IS NOT NULL",
        "parked_answer_is_fixed",
    ),
    Break(
        "an order has one answer that waits",
        copied("trading_parkedanswer") + "WHERE settled_at IS NULL",
        "parked_answer_one_per_order",
    ),
    Break(
        "a parked answer is settled by somebody",
        "UPDATE trading_parkedanswer SET settled_at = now() WHERE settled_at IS NULL",
        "parked_answer_settled_by_somebody",
    ),
    Break(
        "a parked answer is settled for a reason",
        copied("trading_parkedanswer", reason="''") + "WHERE settled_at IS NOT NULL",
        "parked_answer_settled_by_somebody",
    ),
    Break(
        "a parked quantity is no NaN",
        copied("trading_parkedanswer", executed_quantity="'NaN'") + "WHERE settled_at IS NOT NULL",
        "parked_answer_is_a_number",
    ),
]

MARKET = [
    Break(
        "a symbol is written in capitals",
        "UPDATE market_instrument SET symbol = lower(symbol)",
        "instrument_symbol_upper",
    ),
    Break(
        "a symbol is listed once",
        "UPDATE market_instrument SET symbol = 'SAME'",
        "market_instrument_symbol_key",
    ),
    Break(
        "a lot size is positive",
        "UPDATE market_instrument SET lot_size = 0",
        "instrument_steps_positive",
    ),
    Break(
        "a fee rate is a share",
        "UPDATE market_instrument SET taker_fee_rate = 1",
        "instrument_fee_rates_are_shares",
    ),
    Break(
        "a tick size leaves room for amounts",
        "UPDATE market_instrument SET tick_size = 1000000000",
        "instrument_steps_leave_room",
    ),
    Break(
        "an instrument's price collar is positive",
        "UPDATE market_instrument SET price_collar = 0",
        "instrument_collar_positive",
    ),
    *is_number("market_instrument", "instrument_collar_positive", "price_collar"),
    Break(
        "a mark price is positive",
        "UPDATE market_instrument SET mark_price = 0",
        "instrument_mark_positive",
    ),
    *is_number("market_instrument", "instrument_amounts_are_numbers", "mark_price", "min_notional"),
    Break(
        "a realised range is not negative",
        "UPDATE market_instrument SET realized_range = -0.01",
        "instrument_range_not_negative",
    ),
    *is_number("market_instrument", "instrument_range_not_negative", "realized_range"),
    Break(
        "an interval has one lowest and one highest mark",
        copied("market_markrange") + "LIMIT 1",
        "mark_range_once_per_interval",
    ),
    Break(
        "a lowest mark is not above the highest",
        "UPDATE market_markrange SET low = high + 1",
        "mark_range_of_prices",
    ),
    *is_number("market_markrange", "mark_range_of_prices", "low", "high"),
    Break(
        "a notional is exact",
        "UPDATE market_instrument SET tick_size = 0.00000001",
        "instrument_notional_exact",
    ),
    Break(
        "the step of a mark is not negative",
        "UPDATE market_pricetick SET step = -1",
        "market_pricetick_step_check",
    ),
    Break(
        "a price in history is positive",
        "UPDATE market_pricetick SET price = 0",
        "tick_price_positive",
    ),
    Break(
        "a price in history is no NaN",
        "UPDATE market_pricetick SET price = 'NaN'",
        "tick_price_positive",
    ),
    Break(
        "an interval has one candle",
        copied("market_keptcandle") + "LIMIT 1",
        "candle_once_per_interval",
    ),
    Break(
        "a candle's prices are positive",
        "UPDATE market_keptcandle SET low = 0",
        "candle_prices_within_range",
    ),
    Break(
        "a candle opens within its range",
        "UPDATE market_keptcandle SET open = high + 1",
        "candle_prices_within_range",
    ),
    Break(
        "a candle closes within its range",
        "UPDATE market_keptcandle SET close = low / 2",
        "candle_prices_within_range",
    ),
    *is_number("market_keptcandle", "candle_prices_within_range", "open", "high", "low", "close"),
    Break(
        "a candle holds ticks",
        "UPDATE market_keptcandle SET ticks = 0",
        "candle_holds_ticks",
    ),
    Break(
        "a kept candle is of a minute or of an hour",
        "UPDATE market_keptcandle SET seconds = 61 WHERE seconds = 60",
        "candle_holds_ticks",
    ),
    Break(
        "there is one market clock",
        "INSERT INTO market_marketclock (id, steps) VALUES (2, 0)",
        "market_clock_single_row",
    ),
    *kept("trading_kill", "kill_is_kept"),
    *(
        Break(f"a kill {what}", f"UPDATE trading_kill SET {change}", "kill_is_fixed")
        for what, change in (
            ("keeps its reason", "reason = 'another' WHERE finished_at IS NULL"),
            ("counts up", "canceled = -1 WHERE finished_at IS NULL"),
            ("that is finished never changes", "canceled = 9 WHERE finished_at IS NOT NULL"),
        )
    ),
    Break(
        "a kill is of an account or an instrument",
        copied("trading_kill", instrument_id="1") + "WHERE account_id IS NOT NULL",
        "kill_has_one_scope",
    ),
    Break(
        "a kill sets no ACTIVE",
        copied("trading_kill", state="'ACTIVE'"),
        "kill_state_known",
    ),
    Break(
        "a kill that is not finished is gone on with",
        copied("trading_kill") + "WHERE finished_at IS NULL",
        "kill_one_unfinished_of_a_scope",
    ),
    *append_only("trading_manualprice", "price = price + 1", "manual_price_append_only"),
    Break(
        "a price set by hand is positive",
        copied("trading_manualprice", price="0"),
        "manual_price_positive",
    ),
    Break(
        "the way of a price set by hand is known",
        copied("trading_manualprice", way="'magic'"),
        "manual_price_way_known",
    ),
    *inserted_number("trading_manualprice", "manual_price_positive", "price", "previous_price"),
    *kept("market_pricehalt", "price_halt_is_kept"),
    Break(
        "a refused price never changes",
        "UPDATE market_pricehalt SET price = price + 1",
        "price_halt_is_fixed",
    ),
    Break(
        "an instrument has one open price halt",
        copied("market_pricehalt") + "WHERE released_at IS NULL",
        "price_halt_one_open_per_instrument",
    ),
    Break(
        "a price halt is released with an outcome",
        "UPDATE market_pricehalt SET outcome = 'lost', released_at = now()"
        " WHERE released_at IS NULL",
        "price_halt_released_with_outcome",
    ),
    Break(
        "a price halt is released once",
        "UPDATE market_pricehalt SET outcome = 'taken' WHERE outcome = 'kept'",
        "price_halt_is_fixed",
    ),
    Break(
        "a refused price is positive",
        copied("market_pricehalt", price="0"),
        "price_halt_amounts_positive",
    ),
    *inserted_number(
        "market_pricehalt", "price_halt_amounts_positive", "mark_price", "price", "collar"
    ),
    Break(
        "the market clock never runs below zero",
        "UPDATE market_marketclock SET steps = -1",
        "market_marketclock_steps_check",
    ),
    Break(
        "no step has ended before the first",
        "UPDATE market_marketclock SET finished = -1",
        "market_marketclock_finished_check",
    ),
    Break(
        "nobody is done with a step before the first",
        "INSERT INTO trading_readiness (account_id, step)"
        " SELECT id, -1 FROM accounts_account LIMIT 1",
        "trading_readiness_step_check",
    ),
]

BOUNDS = [
    Break(
        "a generation has one reference price of an instrument",
        "INSERT INTO risk_referenceprice (generation_id, instrument_id, price)"
        " SELECT generation_id, instrument_id, price FROM risk_referenceprice",
        "reference_price_once_per_generation",
    ),
    Break(
        "a reference price is positive",
        "UPDATE risk_referenceprice SET price = 0",
        "reference_price_positive",
    ),
]
BREAKS = [
    *LEDGER,
    *SYSTEM_BALANCES,
    *CREDENTIALS,
    *POSITIONS,
    *RISK,
    *ORDERS,
    *HISTORY,
    *PARKED,
    *MARKET,
    *BOUNDS,
]


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """An exchange on which everything has happened once; the attempts leave it as it is."""
    with undone(django_db_blocker):
        live_through_everything()
        yield
        assert ledger_differences() == []


def live_through_everything() -> None:
    for base in ("BTC", "ETH"):
        list_instrument(
            reason="A test",
            symbol=f"{base}USDT",
            base_asset=base,
            tick_size=D("0.01"),
            lot_size=D("0.001"),
        )
    step_at_prices({"BTCUSDT": D(65_000), "ETHUSDT": D(3_200)})
    user = create_user(username="careful", opening_balance=D(20_000))
    unlucky = create_user(username="unlucky", tier=Tier.INTERMEDIATE, opening_balance=D(1_000))
    order(user, "buy", "0.1")
    order(user, "buy", "1", symbol="ETHUSDT")
    order(user, "sell", "1", symbol="ETHUSDT")
    order(user, "buy", "0.1", price="40000", client_order_id="first")
    cancel_order(order_id=order(user, "buy", "0.1", price="30000").pk, user_id=user.pk)
    order(user, "buy", "1000")
    staff = User.objects.create_superuser("watchful")
    for filled in Order.objects.filter(status=OrderStatus.FILLED)[:2]:
        doubt(filled)
    settled = ParkedAnswer.objects.latest("id")
    adjust_parked(parked=settled, amount=D(0), reason="A bust", staff=staff)
    revoke_api_key(reason="A test", api_key=issue_api_key(reason="A test", user=user)[0])
    issue_api_key(reason="A test", user=unlucky)
    order(unlucky, "buy", "0.1", leverage=10)
    set_price(symbol="BTCUSDT", price=D(57_000))
    refuse_price_of("ETHUSDT")
    resume_instrument(reason="A test", instrument=Instrument.objects.get(symbol="ETHUSDT"))
    refuse_price_of("ETHUSDT")
    renew_bounds()
    ended = scope_named(username="unlucky")
    kill(scope=ended, state=TradingState.HALTED, reason="A test")
    begin(ended, TradingState.REDUCING, "A test", None)
    assert Liquidation.objects.count() == 1


def refuse_price_of(symbol: str) -> None:
    def quotes(instruments: Sequence[Instrument], step: int) -> dict[int, Quote]:
        return {instruments[0].pk: Quote(D(1), PriceOrigin.SIMULATION)}

    assert run_market_step(symbol=symbol, quote_source=quotes).halts


def refusal_of(attempt: Callable[[], Any]) -> str:
    """Return the name of the constraint that refuses an attempt; it must be refused at once."""
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        attempt()
    cause: Any = refusal.value.__cause__
    return cause.diag.constraint_name


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


@each("case", BREAKS)
def test_raw_sql_is_refused(history: None, case: Break) -> None:
    assert refusal_of(lambda: execute(case.sql)) == case.refused_by


def test_every_guard_has_its_attempt(db: None) -> None:
    """A guard without a case above is one that nobody has seen refuse."""
    tables = [m._meta.db_table for m in apps.get_models() if m._meta.app_label in MONEY_APPS]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u')"
            " AND conrelid::regclass::text = ANY(%(tables)s)"
            " UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
            " AND tgrelid::regclass::text = ANY(%(tables)s)"
            " UNION SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indisunique AND NOT indisprimary"
            " AND indrelid::regclass::text = ANY(%(tables)s)",
            {"tables": [table for table in tables if "_historical" not in table]},
        )
        guards = {row[0] for row in cursor.fetchall()}
    assert guards - {case.refused_by for case in BREAKS} == {
        # Follow what happens, refuse nothing.
        "movement_folds",
        "transfer_moves_balances",
        "risk_position_touches_new",
        "risk_position_touches_changed",
        "accounts_account_touches",
        "audit_configuration",
        "audit_ended_order",
        "audit_issued_key",
        "audit_kill",
        "audit_key_terms",
        "audit_liquidation",
        "audit_manual_price",
        "audit_price_halt",
        "audit_refused_order",
        "audit_revoked_key",
        "audit_settlement",
        "audit_suspension",
        "audit_transfer",
        "journal_changed_order",
        "journal_exchange_halt",
        "journal_instrument_halt",
        "journal_liquidations",
        "journal_new_orders",
        "journal_suspension",
        "journal_tier_state",
        "journal_ticks",
        "journal_trades",
        "transfer_then_journal",
        "account_ends_kills",
        "exchange_ends_kills",
        "instrument_ends_kills",
        # Implied by a stricter one of ours that answers first.
        "risk_leveragelimit_max_leverage_check",
        "risk_position_leverage_check",
        "trading_order_leverage_check",
        "trading_trade_leverage_check",
    }


def own_references() -> list[tuple[type[models.Model], models.ForeignKey]]:
    return [
        (model, field)
        for model in apps.get_models()
        if model._meta.app_label in MONEY_APPS and "_historical" not in model._meta.db_table
        if model is not ReferencePrice  # goes with its generation; both are worked out anew
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
    ]


@each(("model", "field"), own_references())
def test_nothing_that_history_refers_to_can_be_deleted(
    db: None, model: type[models.Model], field: models.ForeignKey
) -> None:
    assert field.remote_field.on_delete is models.PROTECT
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT confdeltype FROM pg_constraint JOIN pg_attribute"
            " ON attrelid = conrelid AND attnum = conkey[1]"
            " WHERE contype = 'f' AND conrelid = %s::regclass AND attname = %s",
            [model._meta.db_table, field.column],
        )
        # 'a': no action, so that the deletion of what is referred to fails.
        assert cursor.fetchall() == [("a",)]


def copy_of(row: models.Model, **changes: Any) -> models.Model:
    for name, value in {"pk": None, **changes}.items():
        setattr(row, name, value)
    return row


@each(
    ("attempt", "refused_by"),
    [
        (lambda: Transfer.objects.update(reason="x"), "transfer_append_only"),
        (lambda: Transfer.objects.all()._raw_delete("default"), "transfer_append_only"),
        (
            lambda: Transfer.objects.bulk_create([copy_of(Transfer.objects.first(), amount=-1)]),
            "transfer_amount_positive",
        ),
        (
            lambda: Account.objects.filter(kind="user").update(balance=10**6),
            "account_balance_only_by_transfer",
        ),
        (
            lambda: ApiKey.objects.exclude(revoked_at=None).update(revoked_at=None),
            "api_key_stays_revoked",
        ),
        (
            lambda: Position.objects.bulk_create(
                [copy_of(Position.objects.filter(status="OPEN").first())]
            ),
            "position_one_open_per_instrument",
        ),
        (
            lambda: Position.objects.filter(status="CLOSED").update(closed_at=timezone.now()),
            "position_closed_is_final",
        ),
        (lambda: Position.objects.all()._raw_delete("default"), "position_is_kept"),
        (lambda: RiskPolicy.objects.get().delete(), "risk_policy_is_kept"),
        (lambda: GlobalExposure.objects.update(total=-1), "global_exposure_not_negative"),
        (lambda: Order.objects.filter(status="NEW").update(size=9), "order_is_fixed"),
        (
            lambda: Order.objects.filter(status="FILLED").update(status="NEW"),
            "order_ended_is_final",
        ),
        (
            lambda: Order.objects.bulk_create([copy_of(Order.objects.exclude(fingerprint="")[0])]),
            "order_client_id_once_per_account",
        ),
        (lambda: Trade.objects.update(price=1), "trading_trade_append_only"),
        (
            lambda: Trade.objects.bulk_create([copy_of(Trade.objects.first(), leverage=0)]),
            "trade_leverage_at_least_one",
        ),
        (lambda: Liquidation.objects.update(bad_debt=0), "trading_liquidation_append_only"),
    ],
)
def test_the_orm_is_refused(history: None, attempt: Callable[[], Any], refused_by: str) -> None:
    assert refusal_of(attempt) == refused_by


@pytest.mark.usefixtures("history")
def test_fills_go_forward_only() -> None:
    resting = Order.objects.filter(status=OrderStatus.NEW)
    resting.update(status="PARTIALLY_FILLED", filled_size="0.05", average_price=60000)
    partly = Order.objects.filter(status=OrderStatus.PARTIALLY_FILLED)
    assert refusal_of(lambda: partly.update(filled_size="0.04")) == "order_goes_forward"
    assert refusal_of(lambda: partly.update(status="NEW")) == "order_goes_forward"
    assert partly.update(filled_size="0.06") == 1


@pytest.mark.usefixtures("history")
def test_what_a_refusal_says() -> None:
    ended = Order.objects.filter(status=OrderStatus.FILLED)
    with pytest.raises(IntegrityError, match="has ended never changes"), transaction.atomic():
        ended.update(filled_size=0, average_price=None)
