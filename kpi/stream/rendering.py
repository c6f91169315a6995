"""What events say: their rows, as the API's own serializers write them, read channel by channel."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from decimal import Decimal
from typing import Any, Final

from accounts.models import Transfer
from accounts.selectors import OWNER, ledger_line
from accounts.serializers import LEDGER_LINE
from kpi.stream.frames import NAMES, frame
from kpi.stream.journal import Event
from market.kernel.rows import Rows
from market.models import PriceTick
from market.serializers import TickSerializer
from trading.api.serializers import LiquidationSerializer, OrderSerializer, TradeSerializer
from trading.models import Liquidation, Order, Trade
from trading.selectors import LIQUIDATIONS, ORDERS, TRADES

ORDER, TRADE, LIQUIDATION = OrderSerializer(), TradeSerializer(), LiquidationSerializer()
TICK = TickSerializer()

#: Rows by id.
Told = Mapping[int, Any]


def order_data(event: Event, order: Order) -> dict[str, Any]:
    """Return an order as it was at the event; of one that ended then the row tells."""
    if event.detail is not None:
        order = copy(order)  # another event may be about it too
        order.status, order.reject_code = event.detail["status"], ""
        order.filled_size = Decimal(event.detail["filled_size"])
        average = event.detail["average_price"]
        order.average_price = None if average is None else Decimal(average)
    return {"order": ORDER.to_representation(order)}


def trade_data(event: Event, trade: Trade) -> dict[str, Any]:
    return {"trade": TRADE.to_representation(trade)}


def liquidation_data(event: Event, liquidation: Liquidation) -> dict[str, Any]:
    return {"liquidation": LIQUIDATION.to_representation(liquidation)}


def transfer_data(event: Event, transfer: Transfer) -> dict[str, Any]:
    receives = transfer.credit_account_id == event.account_id
    account = transfer.credit_account if receives else transfer.debit_account
    line = ledger_line(transfer, account=account)
    return {"kind": "transfer", "transfer": LEDGER_LINE.to_representation(line)}


def mark_data(event: Event, tick: PriceTick) -> dict[str, Any]:
    return TICK.to_representation(tick)


TRANSFERS: Final = Rows(Transfer, debit_account=OWNER, credit_account=OWNER)
TICKS: Final = Rows(PriceTick, instrument=["id", "symbol"])

#: Of each channel with rows: how they are read, and what an event says of one.
CHANNEL: Final[Mapping[str, tuple[Callable[[Collection[int]], Told], Callable[..., Any]]]] = {
    "marks": (TICKS.by_id, mark_data),
    "orders": (ORDERS.by_id, order_data),
    "trades": (TRADES.by_id, trade_data),
    "account": (TRANSFERS.by_id, transfer_data),
    "liquidations": (LIQUIDATIONS.by_id, liquidation_data),
}


def render(events: Sequence[Event]) -> list[bytes]:
    """Return the frames of events in their order, with a read per channel.

    Nothing is left to say of a row that is gone, such as an old tick.
    """
    rows = {
        name: read(keys) for name, (read, _) in CHANNEL.items() if (keys := keys_of(name, events))
    }
    return [frame_of(event, rows) for event in events]


def frame_of(event: Event, rows: Mapping[str, Told]) -> bytes:
    told = data_of(event, rows)
    return (
        b"" if told is None else frame(NAMES[event.channel], {"event_id": event.event_id, **told})
    )


def keys_of(channel: str, events: Sequence[Event]) -> set[int]:
    return {e.object_id for e in events if e.channel == channel and e.object_id is not None}


def data_of(event: Event, rows: Mapping[str, Told]) -> dict[str, Any] | None:
    """Return what an event says beside its number; of a switch it holds that itself."""
    if event.channel not in CHANNEL:
        return dict(event.detail)
    row = rows[event.channel].get(event.object_id or 0)
    return None if row is None else CHANNEL[event.channel][1](event, row)
