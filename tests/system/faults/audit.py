"""Compares what clients were told with what the database holds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.system.faults.load import REPLAYED, Load, Sent
from tests.system.faults.stack import Stack

#: So many of each client's orders are repeated at the end, whatever became of them.
REPEATED_SAMPLE = 20

ORDERS = """
SELECT o.client_order_id, o.id, account.user_id, o.symbol, o.side, o.type, o.size, o.leverage,
       coalesce(o.price, o.average_price), o.accepted_as, o.status, o.reject_code,
       o.filled_size, o.required_margin, o.user_exposure_after, o.global_exposure_after,
       (SELECT count(*) FROM trading_trade WHERE order_id = o.id),
       (SELECT coalesce(sum(size), 0) FROM trading_trade WHERE order_id = o.id)
FROM trading_order AS o JOIN accounts_account AS account ON account.id = o.account_id
WHERE o.client_order_id LIKE %s
"""
COLUMNS = [
    "client_order_id",
    "order_id",
    "user_id",
    "symbol",
    "side",
    "type",
    "size",
    "leverage",
    "price",
    "accepted_as",
    "status",
    "reject_code",
    "filled_size",
    "required_margin",
    "user_exposure_after",
    "global_exposure_after",
    "trades",
    "traded",
]
#: What an answer says of an order, and the type to compare it in.
ORDER_FIGURES = {
    "order_id": int,
    "user_id": int,
    "symbol": str,
    "side": str,
    "type": str,
    "leverage": int,
    "size": Decimal,
    "filled_size": Decimal,
    "price": Decimal,
}
ANSWER_FIGURES = ("required_margin", "user_exposure_after", "global_exposure_after")

Row = Mapping[str, Any]


def audit(stack: Stack, load: Load, name: str) -> list[str]:
    """Return every broken promise about the load's orders; none in a sound exchange."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in stack.query(ORDERS, [f"{name}-%"])]
    return [
        *doubled(rows),
        *lost_or_changed({row["client_order_id"]: row for row in rows}, load),
        *unknown(rows, load),
        *wrongly_refused(load),
        *not_replayed(load),
    ]


def doubled(rows: Sequence[Row]) -> Iterator[str]:
    """One row per client order id; at most one trade per order, of its filled size."""
    for client_order_id, count in Counter(row["client_order_id"] for row in rows).items():
        if count > 1:
            yield f"{client_order_id} is booked {count} times"
    for row in rows:
        if row["trades"] > 1 or row["traded"] != row["filled_size"]:
            yield f"{row['client_order_id']} has {row['trades']} trades of {row['traded']}"


def lost_or_changed(rows: Mapping[str, Row], load: Load) -> Iterator[str]:
    """Every acknowledged order is in the database with the answered figures."""
    for sent in load.sent:
        row = rows.get(sent.client_order_id)
        if not sent.acknowledged:
            yield f"{sent.client_order_id} was never answered"
        elif row is None:
            yield f"{sent.client_order_id} was acknowledged and is lost"
        else:
            yield from differences(sent, row)


def differences(sent: Sent, row: Row) -> Iterator[str]:
    """What an answer says otherwise than the order's row."""
    name = sent.client_order_id
    if sent.status == 400:
        said = (sent.answer.get("order_id"), sent.answer.get("code"), "REJECTED")
        if said != (kept := (row["order_id"], row["reject_code"], row["status"])):
            yield f"{name}: refused as {said}, kept as {kept}"
        return
    order = sent.answer["order"]
    if order["status"] != row["accepted_as"]:
        yield f"{name}: answered {order['status']}, kept {row['accepted_as']}"
    for figure, kind in ORDER_FIGURES.items():
        if kind(order[figure]) != row[figure]:
            yield f"{name}: {figure} answered {order[figure]}, kept {row[figure]}"
    for figure in ANSWER_FIGURES:
        if Decimal(sent.answer[figure]) != row[figure]:
            yield f"{name}: {figure} answered {sent.answer[figure]}, kept {row[figure]}"


def unknown(rows: Iterable[Row], load: Load) -> Iterator[str]:
    """No order is in the database that no client sent."""
    sent = {sent.client_order_id for sent in load.sent}
    for row in rows:
        if row["client_order_id"] not in sent:
            yield f"{row['client_order_id']} was never sent"


def wrongly_refused(load: Load) -> Iterator[str]:
    """No order is refused but for its size: no fault makes prices stale or margin short."""
    for sent in load.acknowledged:
        if sent.status == 400 and sent.answer["code"] != "invalid_size":
            yield f"{sent.client_order_id} was refused: {sent.answer['code']}"


def not_replayed(load: Load) -> Iterator[str]:
    """Every order that was repeated, and some others, get the first answer again."""
    for client in load.clients:
        retried = [sent for sent in client.sent if len(sent.attempts) > 1]
        for sent in [*retried, *client.sent[:: max(1, len(client.sent) // REPEATED_SAMPLE)]]:
            response = client.post(sent.body)
            again = response.status_code, response.json(), response.headers.get(REPLAYED)
            if again != (sent.status, sent.answer, "true"):
                yield f"{sent.client_order_id}: answered {sent.answer}, then {again}"
