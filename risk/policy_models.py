"""What staff set: the risk policy, and the limits of each tier."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Tier
from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.constraints import are_numbers, is_limit
from market.kernel.reasons import History
from market.kernel.states import TradingState, state_of
from market.models import RATE_FIELD, REDUCING_FIELD
from market.windows import LONGEST_WINDOW
from risk.closing import FULL as WHOLLY
from risk.closing import LARGEST_LOSS_FIRST as PARTLY
from risk.closing import PARTIAL as IN_PARTS
from risk.maintenance import BRACKETS as BY_BRACKETS
from risk.maintenance import INITIAL_SHARE as SHARE
from risk.maintenance import LONGEST_TEXT
from risk.state import CLOSE_OUT_SHARE, CLOSE_OUT_TARGET, MOST_DUPLICATE_SECONDS
from risk.throttle import FEWEST_FILLS, LONGEST_FILLS_WINDOW, MOST_FILLS


class LiquidationMode(models.TextChoices):
    """How far the close-out of an account in breach goes."""

    FULL = WHOLLY, "Close every position"
    LARGEST_LOSS_FIRST = PARTLY, "Largest loss first, until equity is what is required"
    PARTIAL = IN_PARTS, "Reduce positions, close every one where that is not enough"


class MarginMode(models.TextChoices):
    """What an account must hold."""

    INITIAL_SHARE = SHARE, "A share of the initial margin"
    BRACKETS = BY_BRACKETS, "Maintenance by brackets"


class RiskPolicy(models.Model):
    """The single row of limits that every order and every close-out is held against."""

    id = models.SmallAutoField(primary_key=True)
    trading_halted = models.BooleanField(default=False, help_text="No order is accepted while set.")
    trading_reducing = models.BooleanField(**REDUCING_FIELD)
    max_mark_age_seconds = models.PositiveIntegerField(
        default=3600,
        help_text="An order on an older mark price is refused. The default leaves time to drive "
        "the market by hand; a market that ticks by itself deserves less.",
    )
    user_exposure_limit = models.DecimalField(
        **AMOUNT_FIELD, default=5_000_000, help_text="Largest exposure of one user, in USDT."
    )
    max_open_orders = models.PositiveIntegerField(
        default=200,
        help_text="An account with so many open orders may rest no further one; those beyond a "
        "lowered limit stay.",
    )
    global_exposure_threshold = models.DecimalField(
        **AMOUNT_FIELD, default=10_000_000, help_text="Largest exposure of all users, in USDT."
    )
    liquidation_threshold = models.DecimalField(
        **AMOUNT_FIELD,
        default="0.5",
        help_text="The share of the initial margin below which equity is closed out.",
    )
    liquidation_mode = models.CharField(
        max_length=20, choices=LiquidationMode.choices, default=LiquidationMode.FULL
    )
    liquidation_fee_rate = models.DecimalField(
        **RATE_FIELD,
        default=0,
        help_text="Share of the closed notional paid to the insurance fund, as far as the "
        "balance reaches.",
    )
    price_collar = models.DecimalField(
        **RATE_FIELD,
        default=Decimal("0.3"),
        help_text="Largest move of a mark price in one step, as a share of it. A quote of a price "
        "source beyond it is not taken and halts the instrument.",
    )
    volatility_window_minutes = models.SmallIntegerField(
        default=LONGEST_WINDOW,
        db_default=LONGEST_WINDOW,
        help_text="Minutes of the market's clock over which an instrument's range is taken, up to "
        "1,440. Another window counts from the next market step on.",
    )
    volatility_bands = models.CharField(
        max_length=250,
        default="",
        db_default="",
        blank=True,
        help_text="From which range on how much of a tier's highest leverage is left for orders "
        "that open, such as 0.03: 0.75, 0.06: 0.5. Empty: all of it, whatever the range.",
    )
    price_band = models.DecimalField(
        **RATE_FIELD,
        default=0,
        db_default=0,
        help_text="Furthest that the price of a limit order may be from the mark price, as a share "
        "of it. 0 means no limit.",
    )
    duplicate_seconds = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="For so many seconds, 60 at most, an order that may open is refused where the "
        "account has had an equal one accepted: symbol, side, type, size and price. 0 means never.",
    )
    max_fills = models.SmallIntegerField(
        default=0,
        db_default=0,
        help_text="An account with so many fills in the window below may only reduce from then on, "
        "until staff resume it: 2 to 10,000. 0 means never.",
    )
    fills_window_seconds = models.SmallIntegerField(
        default=60, db_default=60, help_text="Seconds in which fills are counted, 3,600 at most."
    )
    margin_mode = models.CharField(
        max_length=20,
        choices=MarginMode.choices,
        default=MarginMode.INITIAL_SHARE,
        db_default=MarginMode.INITIAL_SHARE,
        help_text="What equity is held against: the threshold × initial margin, or the maintenance "
        "of each position by the brackets of its instrument.",
    )
    maintenance_brackets = models.CharField(
        max_length=LONGEST_TEXT,
        default="",
        db_default="",
        blank=True,
        help_text="By instrument up to which notional which maintenance rate and which largest "
        "leverage apply, such as BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 50000: "
        "0.01 50x. Read by the mode of brackets alone, in which orders that open are refused for "
        "an instrument without.",
    )
    close_out_target = models.DecimalField(
        **RATE_FIELD,
        default=CLOSE_OUT_TARGET,
        db_default=CLOSE_OUT_TARGET,
        help_text="Where positions are reduced: the equity that this ends at, as a multiple of "
        "what positions require.",
    )
    close_out_share = models.DecimalField(
        **RATE_FIELD,
        default=CLOSE_OUT_SHARE,
        db_default=CLOSE_OUT_SHARE,
        help_text="Where positions are reduced: the largest share of one that a close-out takes; "
        "where more is needed, it closes every position.",
    )

    history = History()

    class Meta:
        verbose_name_plural = "risk policy"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="risk_policy_single_row"),
            models.CheckConstraint(
                condition=Q(
                    user_exposure_limit__gte=0,
                    global_exposure_threshold__gte=0,
                    liquidation_threshold__gte=0,
                    liquidation_fee_rate__gte=0,
                    liquidation_fee_rate__lt=1,
                ),
                name="risk_policy_limits_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(liquidation_mode__in=LiquidationMode.values),
                name="risk_policy_mode_known",
            ),
            models.CheckConstraint(
                condition=Q(margin_mode__in=MarginMode.values),
                name="risk_policy_margin_mode_known",
            ),
            models.CheckConstraint(
                condition=are_numbers(
                    "user_exposure_limit", "global_exposure_threshold", "liquidation_threshold"
                ),
                name="risk_policy_limits_are_numbers",
            ),
            models.CheckConstraint(
                condition=Q(duplicate_seconds__lte=MOST_DUPLICATE_SECONDS),
                name="risk_policy_duplicates_within_a_minute",
                violation_error_message="Duplicates are refused for 60 seconds at most.",
            ),
            models.CheckConstraint(
                condition=Q(close_out_target__gte=1) & are_numbers("close_out_target"),
                name="risk_policy_target_above_threshold",
                violation_error_message="The target is at least 1, what positions require.",
            ),
            models.CheckConstraint(
                condition=Q(close_out_share__gt=0, close_out_share__lte=1),
                name="risk_policy_close_out_is_a_share",
                violation_error_message="A close-out takes a share above 0 and up to 1.",
            ),
            models.CheckConstraint(
                condition=Q(max_fills=0) | Q(max_fills__range=(FEWEST_FILLS, MOST_FILLS)),
                name="risk_policy_fills_repeat",
                violation_error_message="Fills are counted up to 2 to 10,000, or 0 for never.",
            ),
            models.CheckConstraint(
                condition=Q(fills_window_seconds__range=(1, LONGEST_FILLS_WINDOW)),
                name="risk_policy_fills_within_an_hour",
                violation_error_message="Fills are counted in 1 to 3,600 seconds.",
            ),
            models.CheckConstraint(
                condition=Q(price_band__gte=0) & are_numbers("price_band"),
                name="risk_policy_band_not_negative",
                violation_error_message="The price band is a share of the mark price, or 0.",
            ),
            models.CheckConstraint(
                condition=Q(price_collar__gt=0) & are_numbers("price_collar"),
                name="risk_policy_collar_positive",
                violation_error_message="The price collar is a positive share of the mark price.",
            ),
            models.CheckConstraint(
                condition=Q(volatility_window_minutes__range=(1, LONGEST_WINDOW)),
                name="risk_policy_window_of_a_day",
                violation_error_message="The window of the range is 1 to 1,440 minutes.",
            ),
        ]

    def __str__(self) -> str:
        return "Risk policy"

    @property
    def trading_state(self) -> TradingState:
        return state_of(halted=self.trading_halted, reducing=self.trading_reducing)


class LeverageLimit(models.Model):
    """The limits of a tier: the highest leverage that it may use, and the largest orders."""

    tier = models.CharField(max_length=20, choices=Tier.choices, primary_key=True)
    max_leverage = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    max_order_value = models.DecimalField(
        **AMOUNT_FIELD,
        null=True,
        blank=True,
        help_text="Largest size × price of an order that may open, in USDT; empty means no limit.",
    )
    tier_state = models.CharField(
        "state",
        max_length=10,
        choices=[(state.value, state.capitalize()) for state in TradingState],
        default=TradingState.ACTIVE.value,
        db_default=TradingState.ACTIVE.value,
        help_text="Reducing accepts only orders that reduce a position; halted accepts none.",
    )
    max_minute_value = models.DecimalField(
        **AMOUNT_FIELD,
        null=True,
        blank=True,
        help_text="Largest sum of these of an account in any 60 seconds, in USDT; empty means no "
        "limit.",
    )

    history = History()

    class Meta:
        ordering = ["max_leverage"]
        constraints = [
            models.CheckConstraint(condition=Q(max_leverage__gte=1), name="leverage_at_least_one"),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="leverage_tier_known"),
            models.CheckConstraint(
                condition=is_limit("max_order_value"),
                name="leverage_order_value_positive",
                violation_error_message="The largest value of an order is positive.",
            ),
            models.CheckConstraint(
                condition=Q(tier_state__in=list(TradingState)), name="leverage_state_known"
            ),
            models.CheckConstraint(
                condition=is_limit("max_minute_value"),
                name="leverage_minute_value_positive",
                violation_error_message="The largest value a minute is positive.",
            ),
        ]

    def __str__(self) -> str:
        return f"{Tier(self.tier).label}: {self.max_leverage}x"
