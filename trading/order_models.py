"""What was asked: orders, with the answers that they got."""

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from accounts.models import Account
from market.kernel.amounts import AMOUNT_FIELD, plain
from market.kernel.constraints import are_numbers
from market.models import Instrument
from trading.venue_denials import VENUE_REJECTED

#: An order's size and price are kept as they were asked for, refused ones included.
ASKED_FIELD: dict[str, Any] = {"max_digits": 36, "decimal_places": 18}

#: The largest sum of values of an account's orders, far above what limits a minute can add up to.
LARGEST_SENT = Decimal("9999999999999999999999999999.99999999")

#: The highest leverage that an order's column holds, far above what a tier can allow.
HIGHEST_STORED_LEVERAGE = 2_147_483_647


class Side(models.TextChoices):
    BUY = "buy", "Buy"
    SELL = "sell", "Sell"


class OrderType(models.TextChoices):
    MARKET = "market", "Market"
    LIMIT = "limit", "Limit"


class OrderStatus(models.TextChoices):
    PENDING_NEW = "PENDING_NEW", "Pending: the venue has not answered yet"
    NEW = "NEW", "New: resting"
    PARTIALLY_FILLED = "PARTIALLY_FILLED", "Partially filled"
    FILLED = "FILLED", "Filled"
    CANCELED = "CANCELED", "Canceled"
    REJECTED = "REJECTED", "Rejected"
    EXPIRED = "EXPIRED", "Expired: ended by the exchange"


#: Statuses in which an order may still fill.
OPEN_STATUSES = [OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED]
#: Statuses that say that there is a fill, and those that say that there is none.
FILL_STATUSES = [OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED]
FILL_FREE_STATUSES = [OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.REJECTED]


class Venue(models.TextChoices):
    SIMULATED = "simulated", "Simulated"
    BINANCE_TESTNET = "binance_testnet", "Binance Spot Testnet"


#: Orders that ended with less than they asked for after they were sent to the venue.
MAY_BE_AT_VENUE = Q(venue=Venue.BINANCE_TESTNET) & (
    Q(status__in=[OrderStatus.CANCELED, OrderStatus.EXPIRED])
    | Q(status=OrderStatus.REJECTED, reject_code=VENUE_REJECTED)
)


class Order(models.Model):
    """An order with the answer that it got; a refused one keeps its code.

    ``price`` is the limit price, ``average_price`` that of the fills. ``fingerprint`` is the digest
    of the request, by which a repeated ``client_order_id`` is recognised; ``accepted_as``,
    the columns ``answered_…``, ``required_margin`` and the exposures keep the first answer.
    ``triggered_at`` marks a resting order whose price a market step has reached.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    instrument = models.ForeignKey(
        Instrument,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        db_index=False,
    )
    symbol = models.CharField(max_length=20)
    client_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    fingerprint = models.CharField(max_length=64, blank=True)
    side = models.CharField(max_length=4, choices=Side.choices)
    type = models.CharField(max_length=6, choices=OrderType.choices)
    size = models.DecimalField(**ASKED_FIELD)
    price = models.DecimalField(**ASKED_FIELD, null=True, blank=True)
    leverage = models.PositiveIntegerField(null=True, blank=True)
    reduce_only = models.BooleanField(default=False)
    liquidation = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=OrderStatus.choices)
    reject_code = models.CharField(max_length=40, blank=True)
    reject_detail = models.CharField(max_length=200, blank=True)
    filled_size = models.DecimalField(**AMOUNT_FIELD, default=0)
    average_price = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    required_margin = models.DecimalField(**AMOUNT_FIELD, default=0)
    reserved_margin = models.DecimalField(**AMOUNT_FIELD, default=0)
    reserved_notional = models.DecimalField(**AMOUNT_FIELD, default=0)
    venue = models.CharField(max_length=20, choices=Venue.choices, default=Venue.SIMULATED)
    accepted_as = models.CharField(
        max_length=16, choices=OrderStatus.choices, help_text="Status in the first answer."
    )
    answered_filled_size = models.DecimalField(**AMOUNT_FIELD, default=0, db_default=0)
    answered_average_price = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    user_exposure_after = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    global_exposure_after = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    sent_total = models.DecimalField(
        max_digits=36,
        decimal_places=8,
        null=True,
        blank=True,
        help_text="Value of the account's orders that may open, up to this one, in USDT; only "
        "where a control adds them up.",
    )
    triggered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "-id"], name="order_by_account"),
            models.Index(fields=["account", "symbol", "-id"], name="order_by_account_symbol"),
            models.Index(fields=["account", "status", "-id"], name="order_by_account_status"),
            models.Index(fields=["symbol", "-id"], name="order_by_symbol"),
            models.Index(fields=["status", "-id"], name="order_by_status"),
            models.Index(
                fields=["reject_code", "-id"],
                condition=~Q(reject_code=""),
                name="order_by_reject_code",
            ),
            models.Index(
                fields=["instrument", "side", "price"],
                condition=Q(status__in=[OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED]),
                name="order_resting_by_price",
            ),
            models.Index(
                fields=["account", "id"],
                condition=Q(
                    status__in=[OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED],
                    triggered_at__isnull=False,
                ),
                name="order_reached_by_account",
            ),
            models.Index(
                fields=["account", "id"],
                condition=Q(status__in=OPEN_STATUSES),
                name="order_open_by_account",
            ),
            models.Index(
                fields=["account", "created_at", "sent_total"],
                condition=Q(sent_total__isnull=False),
                name="order_sent_by_account",
            ),
            models.Index(
                fields=["account", "sent_total"],
                condition=Q(sent_total__isnull=False),
                name="order_sent_total_by_account",
            ),
            models.Index(
                "account",
                "symbol",
                "side",
                "size",
                Coalesce("price", Value(Decimal(0))),
                "created_at",
                condition=Q(sent_total__isnull=False),
                name="order_twin_by_account",
            ),
            models.Index(
                fields=["status"],
                condition=Q(status__in=OPEN_STATUSES, venue=Venue.BINANCE_TESTNET),
                name="order_open_at_venue",
            ),
            models.Index(
                fields=["updated_at"],
                condition=MAY_BE_AT_VENUE,
                name="order_ended_at_venue",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "client_order_id"], name="order_client_id_once_per_account"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            models.CheckConstraint(
                condition=Q(side__in=Side.values, type__in=OrderType.values),
                name="order_side_and_type_known",
            ),
            models.CheckConstraint(
                condition=Q(status=OrderStatus.REJECTED)
                | Q(instrument__isnull=False, size__gt=0)
                & Q(leverage__isnull=False, leverage__gte=1),
                name="order_accepted_is_complete",
            ),
            models.CheckConstraint(
                condition=Q(status=OrderStatus.REJECTED)
                | ~Q(type=OrderType.LIMIT)
                | Q(price__isnull=False, price__gt=0),
                name="order_limit_has_price",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.REJECTED) | (~Q(reject_code="") & Q(filled_size=0)),
                name="order_rejected_has_code",
            ),
            models.CheckConstraint(
                condition=Q(filled_size=0)
                | Q(filled_size__gt=0, filled_size__lte=F("size"))
                & Q(average_price__isnull=False, average_price__gt=0),
                name="order_filled_within_size",
            ),
            models.CheckConstraint(
                condition=Q(reserved_margin__gte=0, reserved_notional__gte=0)
                & (Q(status__in=OPEN_STATUSES) | Q(reserved_margin=0, reserved_notional=0)),
                name="order_reserves_only_while_open",
            ),
            models.CheckConstraint(
                condition=Q(reduce_only=False) | Q(reserved_margin=0, reserved_notional=0),
                name="order_reduce_only_reserves_nothing",
            ),
            models.CheckConstraint(
                condition=~Q(type=OrderType.MARKET) | Q(price__isnull=True),
                name="order_market_has_no_limit",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=FILL_FREE_STATUSES) & Q(filled_size__gt=0)
                | ~Q(status__in=FILL_STATUSES) & Q(filled_size=0, average_price__isnull=True),
                name="order_fill_matches_status",
            ),
            models.CheckConstraint(
                condition=Q(accepted_as__in=OrderStatus.values, venue__in=Venue.values),
                name="order_first_answer_and_venue_known",
            ),
            models.CheckConstraint(
                condition=Q(answered_filled_size=0, answered_average_price__isnull=True)
                | Q(answered_filled_size__gt=0, answered_filled_size__lte=F("filled_size"))
                & Q(answered_average_price__isnull=False, answered_average_price__gt=0)
                & are_numbers("answered_average_price"),
                name="order_answered_fill_within_fill",
            ),
            models.CheckConstraint(
                condition=Q(required_margin__gte=0)
                & (Q(user_exposure_after__isnull=True) | Q(user_exposure_after__gte=0))
                & (Q(global_exposure_after__isnull=True) | Q(global_exposure_after__gte=0)),
                name="order_answer_not_negative",
            ),
            models.CheckConstraint(
                condition=are_numbers(
                    "size",
                    "price",
                    "filled_size",
                    "average_price",
                    "required_margin",
                    "reserved_margin",
                    "reserved_notional",
                    "user_exposure_after",
                    "global_exposure_after",
                ),
                name="order_amounts_are_numbers",
            ),
            models.CheckConstraint(
                condition=Q(sent_total__isnull=True)
                | Q(sent_total__gte=0) & are_numbers("sent_total", largest=LARGEST_SENT),
                name="order_sent_total_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"Order {self.pk}: {self.side} {plain(self.size)} {self.symbol}"

    @property
    def shown_price(self) -> Decimal | None:
        """The limit of a limit order, else the average price of the fills."""
        return self.average_price if self.price is None else self.price

    @property
    def shown_reject_code(self) -> str | None:
        return self.reject_code or None
