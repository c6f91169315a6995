"""What is at stake: positions, reservations and exposure."""

from django.db import models
from django.db.models import Q

from accounts.models import Account
from market.kernel.amounts import AMOUNT_FIELD, plain
from market.kernel.constraints import are_numbers
from market.models import Instrument
from risk.bound_models import AccountBound, BoundGeneration, ReferencePrice, TouchedAccount
from risk.policy_models import LeverageLimit, LiquidationMode, MarginMode, RiskPolicy

#: What Django and all others find here, though it stands in modules of its own.
__all__ = [
    "AccountBound",
    "BoundGeneration",
    "LeverageLimit",
    "LiquidationMode",
    "MarginMode",
    "ReferencePrice",
    "RiskPolicy",
    "TouchedAccount",
]


class PositionStatus(models.TextChoices):
    OPEN = "OPEN", "Open"
    CLOSED = "CLOSED", "Closed by an order"
    LIQUIDATED = "LIQUIDATED", "Closed out"


class Position(models.Model):
    """What an account holds of an instrument, from its first fill until it is flat again.

    ``quantity`` is signed (a short is negative); ``cost`` is the signed sum of fills × price, so
    that the entry price is ``cost ÷ quantity``; ``margin`` is what its opening fills required.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="positions", db_index=False
    )
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="positions", db_index=False
    )
    quantity = models.DecimalField(**AMOUNT_FIELD)
    cost = models.DecimalField(**AMOUNT_FIELD)
    margin = models.DecimalField(**AMOUNT_FIELD)
    leverage = models.PositiveSmallIntegerField(help_text="Leverage of the last opening fill.")
    realized_pnl = models.DecimalField("realised P&L", **AMOUNT_FIELD, default=0)
    status = models.CharField(
        max_length=10, choices=PositionStatus.choices, default=PositionStatus.OPEN
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "-id"], name="position_by_account"),
            models.Index(fields=["account", "instrument", "-id"], name="position_by_instrument"),
            models.Index(fields=["account", "status", "-id"], name="position_by_account_status"),
            models.Index(fields=["instrument", "-id"], name="position_of_instrument"),
            models.Index(fields=["status", "-id"], name="position_by_status"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument"],
                condition=Q(status=PositionStatus.OPEN),
                name="position_one_open_per_instrument",
            ),
            models.CheckConstraint(
                condition=Q(status=PositionStatus.OPEN, closed_at__isnull=True) & ~Q(quantity=0)
                | Q(
                    status__in=[PositionStatus.CLOSED, PositionStatus.LIQUIDATED],
                    closed_at__isnull=False,
                    quantity=0,
                    cost=0,
                    margin=0,
                ),
                name="position_flat_when_closed",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, cost__gte=0)
                | Q(quantity__lt=0, cost__lte=0)
                | Q(quantity=0, cost=0),
                name="position_cost_has_sign_of_quantity",
            ),
            models.CheckConstraint(condition=Q(margin__gte=0), name="position_margin_not_negative"),
            models.CheckConstraint(
                condition=Q(leverage__gte=1), name="position_leverage_at_least_one"
            ),
            models.CheckConstraint(
                condition=are_numbers("quantity", "cost", "margin", "realized_pnl"),
                name="position_amounts_are_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"Position {self.pk}: {plain(self.quantity)} {self.instrument}"


class Reservation(models.Model):
    """What the open orders of an account reserve: margin, and notional that counts as exposure."""

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="reservation"
    )
    reserved_margin = models.DecimalField(**AMOUNT_FIELD, default=0)
    reserved_notional = models.DecimalField(**AMOUNT_FIELD, default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reserved_margin__gte=0, reserved_notional__gte=0),
                name="reservations_not_negative",
            ),
            models.CheckConstraint(
                condition=are_numbers("reserved_margin", "reserved_notional"),
                name="reservations_are_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"Reservation of {self.account}"


class InstrumentExposure(models.Model):
    """Open interest of an instrument and the notional that its open orders reserve.

    ``mark_price`` is the mark that the global exposure values this row at. An order is booked only
    while it still is the mark that the order was checked against.
    """

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, primary_key=True, related_name="exposure"
    )
    mark_price = models.DecimalField(**AMOUNT_FIELD)
    long_quantity = models.DecimalField(**AMOUNT_FIELD, default=0)
    short_quantity = models.DecimalField(**AMOUNT_FIELD, default=0)
    order_notional = models.DecimalField(**AMOUNT_FIELD, default=0)

    class Meta:
        verbose_name = verbose_name_plural = "exposure by instrument"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    mark_price__gt=0,
                    long_quantity__gte=0,
                    short_quantity__gte=0,
                    order_notional__gte=0,
                ),
                name="instrument_exposure_not_negative",
            ),
            models.CheckConstraint(
                condition=are_numbers(
                    "mark_price", "long_quantity", "short_quantity", "order_notional"
                ),
                name="instrument_exposure_is_a_number",
            ),
        ]

    def __str__(self) -> str:
        return f"Exposure in {self.instrument}"


class GlobalExposure(models.Model):
    """The single row with the exposure of all users, in USDT.

    It equals the sum over instruments of (long + short quantity) × mark + order notional.
    """

    id = models.SmallAutoField(primary_key=True)
    total = models.DecimalField(**AMOUNT_FIELD, default=0)

    class Meta:
        verbose_name_plural = "global exposure"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="global_exposure_single_row"),
            models.CheckConstraint(condition=Q(total__gte=0), name="global_exposure_not_negative"),
            models.CheckConstraint(
                condition=are_numbers("total"), name="global_exposure_is_a_number"
            ),
        ]

    def __str__(self) -> str:
        return "Global exposure"
