"""What was done: trades and close-outs."""

from decimal import Decimal
from typing import Final

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from market.kernel.amounts import AMOUNT_FIELD, plain
from market.kernel.constraints import are_numbers
from market.models import Instrument
from risk.margin import initial_share
from risk.models import LiquidationMode
from trading.kill_models import Kill
from trading.order_models import (
    ASKED_FIELD,
    FILL_FREE_STATUSES,
    FILL_STATUSES,
    HIGHEST_STORED_LEVERAGE,
    LARGEST_SENT,
    MAY_BE_AT_VENUE,
    OPEN_STATUSES,
    Order,
    OrderStatus,
    OrderType,
    Side,
    Venue,
)
from trading.parked_models import ParkedAnswer, ParkedOutcome
from trading.price_models import ManualPrice, PriceWay
from trading.readiness_models import Readiness

#: What Django and all others find here, though it stands in modules of its own.
__all__ = [
    "ASKED_FIELD",
    "FILL_FREE_STATUSES",
    "FILL_STATUSES",
    "HIGHEST_STORED_LEVERAGE",
    "LARGEST_SENT",
    "MAY_BE_AT_VENUE",
    "OPEN_STATUSES",
    "Kill",
    "ManualPrice",
    "Order",
    "OrderStatus",
    "OrderType",
    "ParkedAnswer",
    "ParkedOutcome",
    "PriceWay",
    "Readiness",
    "Side",
    "Venue",
]

#: Of a close-out: equity was below the maintenance of the positions.
BY_BRACKETS: Final = Q(
    maintenance_before__isnull=False,
    maintenance_before__gt=F("equity_before"),
    maintenance_after__isnull=False,
    maintenance_after__gte=0,
)


class Liquidation(models.Model):
    """One close-out of an account in breach; amounts in USDT.

    Maintenance is what was required by brackets, null where it was ``threshold`` × margin.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="liquidations", db_index=False
    )
    mode = models.CharField(max_length=20)
    threshold = models.DecimalField(**AMOUNT_FIELD)
    margin_ratio_before = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    margin_ratio_after = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    equity_before = models.DecimalField(**AMOUNT_FIELD)
    equity_after = models.DecimalField(**AMOUNT_FIELD)
    margin_before = models.DecimalField(**AMOUNT_FIELD)
    margin_after = models.DecimalField(**AMOUNT_FIELD)
    maintenance_before = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    maintenance_after = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    insurance_paid = models.DecimalField(**AMOUNT_FIELD, default=0)
    bad_debt = models.DecimalField(**AMOUNT_FIELD, default=0)
    created_at = models.DateTimeField()

    #: Its trades by id, where they were read with it.
    closing_trades: "list[Trade]"

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "-id"], name="liquidation_by_account")]
        constraints = [
            models.CheckConstraint(
                condition=Q(insurance_paid__gte=0, bad_debt__gte=0),
                name="liquidation_cover_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(margin_after__gte=0)
                & (
                    Q(margin_before__gt=0, margin_ratio_before__isnull=False)
                    & (Q(margin_ratio_before__lte=F("threshold")) | BY_BRACKETS)
                    | Q(margin_before=0, margin_ratio_before=None)
                    & (Q(equity_before__lt=0) | BY_BRACKETS)
                )
                & (BY_BRACKETS | Q(maintenance_before=None, maintenance_after=None)),
                name="liquidation_began_in_breach",
            ),
            models.CheckConstraint(
                condition=Q(mode__in=LiquidationMode.values), name="liquidation_mode_known"
            ),
            models.CheckConstraint(
                condition=are_numbers(
                    "threshold",
                    "margin_ratio_before",
                    "margin_ratio_after",
                    "equity_before",
                    "equity_after",
                    "margin_before",
                    "margin_after",
                    "maintenance_before",
                    "maintenance_after",
                    "insurance_paid",
                    "bad_debt",
                ),
                name="liquidation_amounts_are_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"Liquidation {self.pk}"

    @property
    def required_before(self) -> Decimal:
        """What equity was held against: by brackets the maintenance, else a share of margin."""
        return self._required(self.margin_before, self.maintenance_before)

    @property
    def required_after(self) -> Decimal:
        return self._required(self.margin_after, self.maintenance_after)

    def _required(self, margin: Decimal, maintenance: Decimal | None) -> Decimal:
        return initial_share(margin, self.threshold) if maintenance is None else maintenance


class Trade(models.Model):
    """One fill of one order. Append-only by trigger.

    ``notional`` is size × price, ``realized_pnl`` what the closing part of the fill earned.
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="trades")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="trades", db_index=False
    )
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="trades", db_index=False
    )
    side = models.CharField(max_length=4, choices=Side.choices)
    size = models.DecimalField(**AMOUNT_FIELD)
    price = models.DecimalField(**AMOUNT_FIELD)
    notional = models.DecimalField(**AMOUNT_FIELD)
    leverage = models.PositiveIntegerField()
    fee = models.DecimalField(**AMOUNT_FIELD, default=0)
    realized_pnl = models.DecimalField("realised P&L", **AMOUNT_FIELD, default=0)
    liquidation = models.ForeignKey(
        Liquidation,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="trades",
        db_index=False,
    )
    fill_number = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="How many fills of the account count for the throttle, up to this one; empty "
        "where none counts.",
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "-id"], name="trade_by_account"),
            models.Index(
                fields=["account", "created_at", "fill_number"],
                condition=Q(fill_number__isnull=False),
                name="trade_counted_by_account",
            ),
            models.Index(
                fields=["account", "instrument", "-id"], name="trade_by_account_instrument"
            ),
            models.Index(fields=["instrument", "-id"], name="trade_by_instrument"),
            models.Index(
                fields=["liquidation"],
                condition=Q(liquidation__isnull=False),
                name="trade_by_liquidation",
            ),
            models.Index(
                fields=["instrument", "liquidation"],
                condition=Q(liquidation__isnull=False),
                name="trade_closed_out_by_instrument",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gt=0, price__gt=0, notional=F("size") * F("price"), fee__gte=0),
                name="trade_amounts_positive",
            ),
            models.CheckConstraint(condition=Q(side__in=Side.values), name="trade_side_known"),
            models.UniqueConstraint(
                fields=["account", "fill_number"],
                condition=Q(fill_number__isnull=False),
                name="trade_fill_number_once_per_account",
            ),
            models.CheckConstraint(
                condition=Q(fill_number__isnull=True)
                | Q(fill_number__gte=1, liquidation__isnull=True),
                name="trade_counted_is_no_close_out",
            ),
            models.CheckConstraint(
                condition=Q(leverage__gte=1), name="trade_leverage_at_least_one"
            ),
            models.CheckConstraint(
                condition=are_numbers("size", "price", "notional", "fee", "realized_pnl"),
                name="trade_amounts_are_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"Trade {self.pk}: {self.side} {plain(self.size)} at {plain(self.price)}"
