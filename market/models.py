"""What is traded and at which price: instruments, their price history and the market's clock."""

from typing import Any

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Mod
from django.db.models.lookups import Exact

from market.candle_models import KeptCandle as KeptCandle
from market.kernel.amounts import (
    AMOUNT_FIELD,
    LARGEST_INPUT,
    UNIT,
    ZERO,
    describe_move,
    percent,
    plain,
)
from market.kernel.constraints import are_numbers, is_limit
from market.kernel.reasons import History
from market.kernel.states import TradingState, state_of
from market.range_models import MarkRange as MarkRange

RATE_FIELD: dict[str, Any] = {"max_digits": 12, "decimal_places": 8}
#: Of the switch that makes a state REDUCING, beside the one that makes it HALTED.
REDUCING_FIELD: dict[str, Any] = {
    "default": False,
    "db_default": False,
    "help_text": "While set, only orders that reduce a position are accepted.",
}


class PriceOrigin(models.TextChoices):
    """Where a mark price came from; replays and prices set by hand count as simulation."""

    BINANCE_TESTNET = "binance_testnet", "Binance Spot Testnet"
    SIMULATION = "simulation", "Local simulation"


class Instrument(models.Model):
    """A tradable symbol with its rules and its present mark price.

    Prices are multiples of ``tick_size`` and sizes of ``lot_size``. Their product is a multiple of
    the ledger's unit, so that every notional is exact in eight places.
    """

    symbol = models.CharField(max_length=20, unique=True)
    base_asset = models.CharField(max_length=10)
    quote_asset = models.CharField(max_length=10, default="USDT")
    tick_size = models.DecimalField(**AMOUNT_FIELD, help_text="Smallest step of a price.")
    lot_size = models.DecimalField(**AMOUNT_FIELD, help_text="Smallest step of an order's size.")
    min_notional = models.DecimalField(
        **AMOUNT_FIELD, default=0, help_text="Smallest size × price of an order, in quote asset."
    )
    maker_fee_rate = models.DecimalField(
        **RATE_FIELD, default=0, help_text="Share of the notional paid by a resting order's fill."
    )
    taker_fee_rate = models.DecimalField(
        **RATE_FIELD, default=0, help_text="Share of the notional paid by an immediate fill."
    )
    price_collar = models.DecimalField(
        **RATE_FIELD,
        null=True,
        blank=True,
        help_text="Largest move of the mark price in one step, as a share of it; empty means the "
        "risk policy's.",
    )
    max_order_size = models.DecimalField(
        **AMOUNT_FIELD,
        null=True,
        blank=True,
        help_text="Largest size of an order that may open, in base asset; empty means no limit.",
    )
    max_order_value = models.DecimalField(
        **AMOUNT_FIELD,
        null=True,
        blank=True,
        help_text="Largest size × price of an order that may open, in quote asset, beside the "
        "limit of its tier; empty means no limit.",
    )
    halted = models.BooleanField(default=False, help_text="No order is accepted while set.")
    reducing = models.BooleanField(**REDUCING_FIELD)
    mark_price = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True, editable=False)
    marked_at = models.DateTimeField(null=True, blank=True, editable=False)
    stepped_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the last step of it alone began."
    )
    mark_source = models.CharField(
        max_length=20, choices=PriceOrigin.choices, blank=True, editable=False
    )
    market_time = models.DateTimeField(
        null=True, editable=False, help_text="Of the recorded candle that the mark comes from."
    )
    realized_range = models.DecimalField(
        **AMOUNT_FIELD,
        null=True,
        editable=False,
        help_text="(Highest − lowest) ÷ lowest mark over the risk policy's window.",
    )

    history = History(
        excluded_fields=[
            *("mark_price", "marked_at", "mark_source", "stepped_at", "market_time"),
            "realized_range",
        ]
    )

    class Meta:
        ordering = ["symbol"]
        constraints = [
            models.CheckConstraint(
                condition=Q(symbol__regex=r"^[A-Z0-9]{2,20}$"),
                name="instrument_symbol_upper",
                violation_error_message="A symbol is 2 to 20 capital letters and digits.",
            ),
            models.CheckConstraint(
                condition=Q(tick_size__gt=0, lot_size__gt=0, min_notional__gte=0),
                name="instrument_steps_positive",
                violation_error_message="Tick and lot size are positive, the minimum notional is "
                "not negative.",
            ),
            models.CheckConstraint(
                condition=Q(
                    maker_fee_rate__gte=0,
                    maker_fee_rate__lt=1,
                    taker_fee_rate__gte=0,
                    taker_fee_rate__lt=1,
                ),
                name="instrument_fee_rates_are_shares",
                violation_error_message="Fee rates are shares of the notional, from 0 to below 1.",
            ),
            models.CheckConstraint(
                condition=Q(tick_size__lt=LARGEST_INPUT, lot_size__lt=LARGEST_INPUT),
                name="instrument_steps_leave_room",
                violation_error_message="Tick and lot size are below 1,000,000,000.",
            ),
            models.CheckConstraint(
                condition=Q(price_collar__isnull=True)
                | Q(price_collar__gt=0) & are_numbers("price_collar"),
                name="instrument_collar_positive",
                violation_error_message="The price collar is a positive share of the mark price.",
            ),
            models.CheckConstraint(
                condition=is_limit("max_order_size") & is_limit("max_order_value"),
                name="instrument_order_limits_positive",
                violation_error_message="The largest size and value of an order are positive.",
            ),
            models.CheckConstraint(
                condition=Q(mark_price__isnull=True) | Q(mark_price__gt=0),
                name="instrument_mark_positive",
            ),
            models.CheckConstraint(
                condition=Q(realized_range__isnull=True)
                | Q(realized_range__gte=0) & are_numbers("realized_range"),
                name="instrument_range_not_negative",
            ),
            models.CheckConstraint(
                condition=are_numbers("mark_price", "min_notional"),
                name="instrument_amounts_are_numbers",
            ),
            models.CheckConstraint(
                condition=Exact(Mod(F("tick_size") * F("lot_size"), Value(UNIT)), Value(ZERO)),
                name="instrument_notional_exact",
                violation_error_message="Tick size × lot size must be a multiple of 0.00000001, "
                "so that every notional is exact.",
            ),
        ]

    def __str__(self) -> str:
        return self.symbol

    @property
    def state(self) -> TradingState:
        return state_of(halted=self.halted, reducing=self.reducing)

    @property
    def told_state(self) -> TradingState | None:
        """The state where ``halted`` alone does not say it."""
        return self.state if self.reducing else None


class PriceTick(models.Model):
    """One mark price of one instrument, as one market step set it."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="ticks")
    price = models.DecimalField(**AMOUNT_FIELD)
    source = models.CharField(max_length=20, choices=PriceOrigin.choices)
    created_at = models.DateTimeField()
    market_time = models.DateTimeField(
        null=True, help_text="Of the recorded candle that the mark comes from."
    )
    step = models.PositiveBigIntegerField(null=True, help_text="The market step's number.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["instrument", "-created_at"], name="tick_by_time")]
        constraints = [
            models.CheckConstraint(
                condition=Q(price__gt=0) & are_numbers("price"), name="tick_price_positive"
            )
        ]

    def __str__(self) -> str:
        return f"{self.instrument} at {plain(self.price)}"


class HaltOutcome(models.TextChoices):
    """How staff released an instrument that its price collar had halted."""

    TAKEN = "taken", "The refused price was taken"
    KEPT = "kept", "The old mark was kept"


class PriceHalt(models.Model):
    """A quote so far from the mark that it was not taken: what halted an instrument, until when.

    ``mark_price`` is the mark that was kept, ``price`` the quote that was refused. The facts never
    change; an instrument has one open halt at most. A halt by hand before or during it outlasts it.
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="price_halts")
    mark_price = models.DecimalField(**AMOUNT_FIELD)
    mark_source = models.CharField(max_length=20, choices=PriceOrigin.choices)
    price = models.DecimalField(**AMOUNT_FIELD)
    source = models.CharField(max_length=20, choices=PriceOrigin.choices)
    collar = models.DecimalField(**RATE_FIELD, help_text="Largest move that was allowed.")
    halted_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=HaltOutcome.choices, blank=True)
    stays_halted = models.BooleanField(
        default=False, help_text="Staff halted the instrument too: the release does not resume it."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["instrument"],
                condition=Q(released_at=None),
                name="price_halt_one_open_per_instrument",
            ),
            models.CheckConstraint(
                condition=Q(released_at=None, outcome="")
                | Q(released_at__isnull=False, outcome__in=HaltOutcome.values),
                name="price_halt_released_with_outcome",
            ),
            models.CheckConstraint(
                condition=Q(mark_price__gt=0, price__gt=0, collar__gt=0)
                & are_numbers("mark_price", "price", "collar"),
                name="price_halt_amounts_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument}: {self.reason}"

    @property
    def reason(self) -> str:
        """Why the instrument was halted, as staff read it."""
        return (
            f"{plain(self.price)} of {self.get_source_display()} is "
            f"{describe_move(self.mark_price, self.price)} from the mark {plain(self.mark_price)}; "
            f"the collar is {percent(self.collar)}."
        )


class MarketClock(models.Model):
    """The single row that counts market steps and lets one run at a time.

    ``busy_until`` is a lease: a step that dies gives the clock back when it runs out, or as soon as
    the server process ``holder_pid`` that serves the holder's connection is gone; behind a pooler
    none is named.
    """

    id = models.SmallAutoField(primary_key=True)
    steps = models.PositiveBigIntegerField(default=0)
    finished = models.PositiveBigIntegerField(
        db_default=0, help_text="The last step that has ended, its fills and close-outs included."
    )
    stepped_at = models.DateTimeField(null=True, blank=True)
    busy_until = models.DateTimeField(null=True, blank=True)
    holder_pid = models.IntegerField(null=True, blank=True)
    holder_connected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "clock"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="market_clock_single_row")]

    def __str__(self) -> str:
        return f"Step {self.steps}"
