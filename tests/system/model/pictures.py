"""Everything that the reference and the exchange must agree on, as one dictionary of each."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from django.db import connection

from accounts.selectors import insurance_fund_balance, total_bad_debt
from market.kernel.states import state_of
from risk.selectors import (
    ask_for_states,
    global_exposure,
    read_risk_state,
    read_risk_states,
    snapshots_in,
)
from risk.state import AccountState
from tests.system.model import figures
from tests.system.model.exchange import Exchange
from tests.system.model.reference import Reference

Picture = dict[str, Any]

# Written out, since compiling them anew would take most of a run's time.
OWNER = """
JOIN accounts_account AS account ON account.id = account_id
JOIN accounts_user AS owner ON owner.id = account.user_id
"""
POSITIONS = f"""
SELECT owner.username, instrument.symbol, quantity, cost, margin, leverage, realized_pnl, status
FROM risk_position AS position {OWNER}
JOIN market_instrument AS instrument ON instrument.id = instrument_id
ORDER BY position.id
"""  # noqa: S608
ORDERS = f"""
SELECT orders.id, type, owner.username, symbol, CASE side WHEN 'buy' THEN 1 ELSE -1 END,
    size, price, leverage, reduce_only, client_order_id, liquidation, status, reject_code,
    filled_size, average_price, required_margin, reserved_margin, reserved_notional,
    user_exposure_after, global_exposure_after
FROM trading_order AS orders {OWNER}
ORDER BY orders.id
"""  # noqa: S608
TRADES = f"""
SELECT order_id, owner.username, instrument.symbol, CASE side WHEN 'buy' THEN 1 ELSE -1 END,
    size, price, notional, leverage, fee, realized_pnl, liquidation_id
FROM trading_trade AS trade {OWNER}
JOIN market_instrument AS instrument ON instrument.id = instrument_id
ORDER BY trade.id
"""  # noqa: S608
EXPOSURE = "SELECT total FROM risk_globalexposure WHERE id = 1"
LIQUIDATIONS = f"""
SELECT event.id, owner.username, mode, margin_ratio_before, equity_before, margin_before,
    margin_ratio_after, equity_after, margin_after, insurance_paid, bad_debt,
    maintenance_before, maintenance_after
FROM trading_liquidation AS event {OWNER}
ORDER BY event.id
"""  # noqa: S608


def differences(expected: Picture, actual: Picture) -> Iterator[str]:
    """Yield a line for each entry that the exchange has otherwise than the reference."""
    for key in {**expected, **actual}:
        if expected.get(key) != actual.get(key):
            yield f"{key}:\n  reference {expected.get(key)}\n  exchange  {actual.get(key)}"


#: What the reference keeps of an order, and the exchange does not.
UNSTORED: Final = {"number", "closes", "at", "counted"}


def expected_picture(model: Reference) -> Picture:
    """Return what the reference says."""
    picture: Picture = {
        "global exposure": model.global_exposure(),
        "trades": len(model.trades),
        "orders": len(model.orders),
        "liquidations": len(model.liquidations),
    }
    for name, account in model.accounts.items():
        picture[f"account {name}"] = (
            account.balance,
            account.reserved_margin,
            account.reserved_notional,
            model.equity(account),
            model.available_margin(account),
            model.margin_ratio(account),
            model.exposure(account),
        )
        picture[f"state of {name}"] = (account.state, account.throttled)
        picture[f"liquidation prices of {name}"] = {
            position.symbol: model.liquidation_price(account, position) for position in account.open
        }
        for number, p in enumerate(account.positions):
            row = (p.symbol, p.q, p.c, p.m, p.leverage, p.realized, p.status)
            picture[f"position {number} of {name}"] = row
    picture.update((f"order {o.number}", expected_order(o)) for o in model.orders)
    for number, t in enumerate(model.trades):
        of = model.orders[t.order]
        picture[f"trade {number}"] = (
            *(t.order, of.account, of.symbol, of.sign, t.size, t.price, t.size * t.price),
            *(t.leverage, t.fee, t.realized, t.liquidation),
        )
    for number, event in enumerate(model.liquidations):
        picture[f"liquidation {number}"] = tuple(vars(event).values())
    return picture


def expected_order(order: figures.Order) -> tuple[Any, ...]:
    kind = "market" if order.price is None else "limit"
    told = {name: value for name, value in vars(order).items() if name not in UNSTORED}
    return (kind, *told.values())


def actual_picture(exchange: Exchange) -> Picture:
    """Return the accounts as all are read at once, and what is stored as history."""
    names = {user.account.pk: name for name, user in exchange.users.items()}
    picture: Picture = {"global exposure": rows(EXPOSURE)[0][0]}
    for snapshot in read_risk_states(account_ids=list(names)):
        state, required = snapshot.account, snapshot.limits.requirement
        name = names[state.account_id]
        picture[f"account {name}"] = figures_of(state)
        own = snapshot.limits
        held = state_of(halted=own.suspended, reducing=own.account_reducing)
        picture[f"state of {name}"] = (held, own.throttled)
        picture[f"liquidation prices of {name}"] = {
            position.symbol: state.liquidation_price(position, required)
            for position in state.positions.values()
        }
    picture.update(position_rows())
    picture.update(history_rows())
    return picture


def check_reads(exchange: Exchange) -> None:
    """A decision on one account, or on some users' orders, sees what ``actual_picture`` shows.

    So does who asks for the exposure of all.
    """
    assert rows(EXPOSURE) == [(global_exposure(),)]
    owners = sorted(exchange.users.values(), key=lambda user: user.account.pk)
    shown = read_risk_states(account_ids=[user.account.pk for user in owners])
    assert shown == [read_risk_state(account_id=user.account.pk) for user in owners]
    with connection.cursor() as cursor:
        ask_for_states(cursor, user_ids=[user.pk for user in owners], symbols=[])
        assert shown == snapshots_in(cursor)


def expected_funds(model: Reference) -> Picture:
    return {"insurance fund": model.insurance_fund, "bad debt": model.bad_debt}


def actual_funds() -> Picture:
    return {"insurance fund": insurance_fund_balance(), "bad debt": total_bad_debt()}


def figures_of(state: AccountState) -> tuple[Any, ...]:
    return (
        state.balance,
        state.reserved_margin,
        state.reserved_notional,
        state.equity,
        state.available_margin,
        state.margin_ratio,
        state.exposure,
    )


def position_rows() -> Iterator[tuple[str, Any]]:
    count: Counter[str] = Counter()
    for name, *row in rows(POSITIONS):
        yield f"position {count[name]} of {name}", tuple(row)
        count[name] += 1


def history_rows() -> Iterator[tuple[str, Any]]:
    """Yield orders, trades and liquidations, numbered in the order in which they came."""
    orders, trades, events = rows(ORDERS), rows(TRADES), rows(LIQUIDATIONS)
    order_numbers = {row[0]: number for number, row in enumerate(orders)}
    event_numbers = {row[0]: number for number, row in enumerate(events)}
    yield "orders", len(orders)
    yield "trades", len(trades)
    yield "liquidations", len(events)
    for number, order in enumerate(orders):
        yield f"order {number}", order[1:]
    for number, (order_id, *trade, event_id) in enumerate(trades):
        row = (order_numbers[order_id], *trade, event_numbers.get(event_id))
        yield f"trade {number}", row
    for number, event in enumerate(events):
        yield f"liquidation {number}", event[1:]


def rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
