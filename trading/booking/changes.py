"""The changes of one locked account: collects what happens to it, to be written at once.

Every order, fill, cancel and close-out ends here. Writing them also holds the two promises that
no single account can keep: the mark price is still the one that was decided on, and global
exposure stays below its threshold. Where either fails, nothing is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.ledger import Posting, sides
from accounts.models import TransferKind
from market.kernel.amounts import EXACT, ZERO, round_half_even
from risk.closing import Closing
from risk.execution import Execution
from risk.exposure import ExposureChange, ExposureChanges, change_of_position
from risk.models import PositionStatus
from risk.state import AccountState, Limits, OpenPosition, open_position
from trading.booking.throttle import Throttle
from trading.models import Liquidation, Order, OrderStatus, Side

#: A row to be stored, by column name.
Row = dict[str, Any]


@dataclass
class PositionRow:
    """A position as it will be stored; ``id`` is None for a new one."""

    account_id: int
    instrument_id: int
    leverage: int
    opened_at: datetime
    id: int | None = None
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    status: PositionStatus = PositionStatus.OPEN
    closed_at: datetime | None = None


class AccountChanges:
    """Changes of one account, kept as rows until ``trading.booking.writing.write`` stores them.

    ``state`` is the account as it will be; the caller decides on it and reports here what it
    decided. Nothing is checked again but by the database. Accounts that are written together share
    their exposure ``exposures``. ``throttle`` counts the fills, where they count.
    """

    def __init__(
        self,
        state: AccountState,
        now: datetime,
        exposures: ExposureChanges | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.state = state
        self.now = now
        self.exposures = exposures or ExposureChanges()
        self.throttle = throttle
        self.new_orders: list[Order] = []
        self.changed_orders: list[Order] = []
        self.trades: list[Row] = []
        self.transfers: list[Row] = []
        self.new_positions: list[PositionRow] = []
        self.changed_positions: dict[int, PositionRow] = {}
        self.closings: list[Row] = []
        self.liquidation: Liquidation | None = None
        self.reservation_changed = False
        self._open: dict[int, PositionRow] = {}

    def held(self, limits: Limits) -> Limits:
        """Return the account's limits as they are after its fills."""
        return self.throttle.held(limits) if self.throttle else limits

    @property
    def is_to_be_written(self) -> bool:
        """Whether an order was added or changed, without which nothing else changes."""
        return bool(self.new_orders or self.changed_orders)

    def add_order(self, order: Order) -> None:
        """Take in a new order, with what it reserves."""
        self.new_orders.append(order)
        self._reserve(order.reserved_margin, order.reserved_notional)

    def change_order(self, order: Order) -> None:
        """Take in a changed order; call before ``fill`` or ``release`` touch it."""
        order.updated_at = self.now
        self.changed_orders.append(order)

    def release(self, order: Order, *, margin: Decimal = ZERO, notional: Decimal = ZERO) -> None:
        """Give back what an order reserves, but for ``margin`` and ``notional``."""
        assert order.instrument_id is not None
        margin_change = margin - order.reserved_margin
        notional_change = notional - order.reserved_notional
        self.exposures.add(
            order.instrument_id, None, ExposureChange(order_notional=notional_change)
        )
        self._reserve(margin_change, notional_change)
        order.reserved_margin, order.reserved_notional = margin, notional

    def fill(self, order: Order, execution: Execution, mark_price: Decimal) -> None:
        """Book one execution of an order: trade, position, ledger and exposure."""
        assert order.instrument_id is not None
        self._record_trade(order, execution)
        self._move_position(order, execution, mark_price)
        self.post(TransferKind.REALIZED_PNL, execution.fill.realized_pnl, order)
        self.post(TransferKind.FEE, -execution.fee, order)
        self.exposures.add(order.instrument_id, mark_price, execution.change)

    def post(self, kind: TransferKind, amount: Decimal, cause: Order | Liquidation) -> None:
        """Post a transfer of the account; ``amount`` is positive when it receives."""
        self._transfer(kind, amount, f"{cause._meta.model_name}:{cause.pk}")
        self.state = replace(self.state, balance=self.state.balance + amount)

    def close(self, closings: Iterable[tuple[Closing, int]], liquidation_id: int) -> None:
        """Book positions that are closed out, each by an order of the id beside it.

        ``state`` is left to the caller, who knows it.
        """
        for closing, order_id in closings:
            position, left = closing.position, closing.left
            self.closings.append(
                {
                    "order_id": order_id,
                    "liquidation_id": liquidation_id,
                    "account_id": self.state.account_id,
                    "position_id": position.id,
                    "instrument_id": position.instrument_id,
                    "symbol": position.symbol,
                    "side": Side.SELL if position.holding.quantity > 0 else Side.BUY,
                    "size": closing.size,
                    "price": position.mark_price,
                    "quantity": left.quantity,
                    "cost": left.cost,
                    "margin": left.margin,
                    "leverage": position.leverage,
                    "realized_pnl": closing.realized_pnl,
                    "closed_at": self.now,
                }
            )
            self._transfer(TransferKind.REALIZED_PNL, closing.realized_pnl, f"order:{order_id}")
            self._transfer(TransferKind.LIQUIDATION_FEE, -closing.fee, f"order:{order_id}")
            change = change_of_position(position.holding.quantity, left.quantity)
            self.exposures.add(position.instrument_id, position.mark_price, change)

    def _transfer(self, kind: TransferKind, amount: Decimal, reference: str) -> None:
        if amount == 0:
            return
        debit, credit = sides(self.state.account_id, Posting(kind, amount))
        self.transfers.append(
            {
                "kind": kind,
                "debit_account_id": debit,
                "credit_account_id": credit,
                "amount": abs(amount),
                "reference": reference,
                "reason": "",
                "created_at": self.now,
            }
        )

    def _reserve(self, margin: Decimal, notional: Decimal) -> None:
        if not margin and not notional:
            return
        self.reservation_changed = True
        self.state = replace(
            self.state,
            reserved_margin=self.state.reserved_margin + margin,
            reserved_notional=self.state.reserved_notional + notional,
        )

    def _record_trade(self, order: Order, execution: Execution) -> None:
        assert order.instrument_id is not None
        size = abs(execution.size)
        traded = EXACT.multiply(size, execution.price)
        before = EXACT.multiply(order.filled_size, order.average_price or ZERO)
        order.filled_size += size
        order.average_price = round_half_even(
            EXACT.divide(EXACT.add(before, traded), order.filled_size)
        )
        order.status = OrderStatus.FILLED
        self.trades.append(
            {
                "order_id": order.pk,
                "account_id": self.state.account_id,
                "instrument_id": order.instrument_id,
                "side": order.side,
                "size": size,
                "price": execution.price,
                "notional": round_half_even(traded),
                "leverage": execution.leverage,
                "fee": execution.fee,
                "realized_pnl": execution.fill.realized_pnl,
                "liquidation_id": self.liquidation.pk if self.liquidation else None,
                "fill_number": self.throttle.count(self.now) if self.throttle else None,
                "created_at": self.now,
            }
        )

    def _move_position(self, order: Order, execution: Execution, mark_price: Decimal) -> None:
        """Carry a fill into the open position; one that reaches zero stays as history."""
        assert order.instrument_id is not None
        instrument_id, fill = order.instrument_id, execution.fill
        row = self._open_row_of(instrument_id)
        if row is not None:
            row.realized_pnl += fill.realized_pnl
            if fill.closed_size and (fill.opened_size or not fill.holding.quantity):
                self._close(row, liquidated=order.liquidation)
                row = None
        if fill.holding.quantity == 0:
            self.state = replace(self.state, positions=without(self.state, instrument_id))
            return
        if row is None:
            row = self._new_row(instrument_id, execution.leverage)
        row.quantity, row.cost = fill.holding.quantity, fill.holding.cost
        row.margin = fill.holding.margin
        if fill.opened_size:
            row.leverage = execution.leverage
        position = open_position(row, order.symbol, mark_price)
        self.state = replace(
            self.state, positions={**self.state.positions, instrument_id: position}
        )

    def _open_row_of(self, instrument_id: int) -> PositionRow | None:
        held = self.state.positions.get(instrument_id)
        if instrument_id not in self._open and held is not None:
            assert held.id is not None
            row = position_row(self.state.account_id, held, self.now)
            self._open[instrument_id] = self.changed_positions[held.id] = row
        return self._open.get(instrument_id)

    def _new_row(self, instrument_id: int, leverage: int) -> PositionRow:
        row = PositionRow(self.state.account_id, instrument_id, leverage, opened_at=self.now)
        self.new_positions.append(row)
        self._open[instrument_id] = row
        return row

    def _close(self, row: PositionRow, *, liquidated: bool) -> None:
        row.quantity = row.cost = row.margin = ZERO
        row.status = PositionStatus.LIQUIDATED if liquidated else PositionStatus.CLOSED
        row.closed_at = self.now
        del self._open[row.instrument_id]


def position_row(account_id: int, position: OpenPosition, now: datetime) -> PositionRow:
    """Return an open position as the row that will be changed."""
    return PositionRow(
        id=position.id,
        account_id=account_id,
        instrument_id=position.instrument_id,
        quantity=position.holding.quantity,
        cost=position.holding.cost,
        margin=position.holding.margin,
        leverage=position.leverage,
        realized_pnl=position.realized_pnl,
        opened_at=now,
    )


def without(state: AccountState, instrument_id: int) -> dict[int, OpenPosition]:
    """Return the positions of ``state`` but the one in an instrument."""
    return {key: value for key, value in state.positions.items() if key != instrument_id}
