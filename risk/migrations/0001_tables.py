"""Policy, limits, positions, reservations, exposure and bounds."""

from decimal import Decimal

import django.core.validators
from django.conf import settings
from django.db import migrations, models
from django.db.models import Index, Q, UniqueConstraint

from market.migrations._shorthand import (
    ID,
    LARGEST,
    SINGLE_ID,
    amount,
    are_numbers,
    check,
    history,
    known,
    rate,
    refers,
)

TIERS = [("beginner", "Beginner"), ("intermediate", "Intermediate"), ("advanced", "Advanced")]
MODES = [
    ("full", "Close every position"),
    ("largest_loss_first", "Largest loss first, until the ratio is back"),
]
POLICY_COLUMNS = [
    (
        "trading_halted",
        models.BooleanField(default=False, help_text="No order is accepted while set."),
    ),
    (
        "max_mark_age_seconds",
        models.PositiveIntegerField(
            default=3600,
            help_text="An order on an older mark price is refused. The default leaves time to drive the market by hand; a market that ticks by itself deserves less.",
        ),
    ),
    (
        "user_exposure_limit",
        amount(default=5000000, help_text="Largest exposure of one user, in USDT."),
    ),
    (
        "max_open_orders",
        models.PositiveIntegerField(
            default=200,
            help_text="An account with so many open orders may rest no further one; those beyond a lowered limit stay.",
        ),
    ),
    (
        "global_exposure_threshold",
        amount(default=10000000, help_text="Largest exposure of all users, in USDT."),
    ),
    (
        "liquidation_threshold",
        amount(default="0.5", help_text="Accounts below this margin ratio are closed out."),
    ),
    ("liquidation_mode", models.CharField(choices=MODES, default="full", max_length=20)),
    (
        "liquidation_fee_rate",
        rate(
            default=0,
            help_text="Share of the closed notional paid to the insurance fund, as far as the balance reaches.",
        ),
    ),
    (
        "price_collar",
        rate(
            default=Decimal("0.3"),
            help_text="Largest move of a mark price in one step, as a share of it. A quote of a price source beyond it is not taken and halts the instrument.",
        ),
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("accounts", "0001_tables"),
        ("market", "0001_tables"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(name="BoundGeneration", fields=[ID, ("threshold", amount())]),
        migrations.CreateModel(
            name="TouchedAccount", fields=[ID, ("account_id", models.BigIntegerField())]
        ),
        migrations.CreateModel(
            name="GlobalExposure",
            fields=[SINGLE_ID, ("total", amount(default=0))],
            options={
                "constraints": [
                    check("global_exposure_single_row", Q(id=1)),
                    check("global_exposure_not_negative", Q(total__gte=0)),
                    check("global_exposure_is_a_number", Q(total__lte=LARGEST)),
                ]
            },
        ),
        migrations.CreateModel(
            name="InstrumentExposure",
            fields=[
                (
                    "instrument",
                    models.OneToOneField(
                        "market.instrument",
                        models.PROTECT,
                        primary_key=True,
                        related_name="exposure",
                        serialize=False,
                    ),
                ),
                ("mark_price", amount()),
                ("long_quantity", amount(default=0)),
                ("short_quantity", amount(default=0)),
                ("order_notional", amount(default=0)),
            ],
            options={
                "constraints": [
                    check(
                        "instrument_exposure_not_negative",
                        Q(
                            long_quantity__gte=0,
                            mark_price__gt=0,
                            order_notional__gte=0,
                            short_quantity__gte=0,
                        ),
                    ),
                    check(
                        "instrument_exposure_is_a_number",
                        are_numbers(
                            "mark_price", "long_quantity", "short_quantity", "order_notional"
                        ),
                    ),
                ]
            },
        ),
        migrations.CreateModel(
            name="LeverageLimit",
            fields=[
                (
                    "tier",
                    models.CharField(
                        choices=TIERS, max_length=20, primary_key=True, serialize=False
                    ),
                ),
                (
                    "max_leverage",
                    models.PositiveSmallIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
            ],
            options={
                "ordering": ["max_leverage"],
                "constraints": [
                    check("leverage_at_least_one", Q(max_leverage__gte=1)),
                    check("leverage_tier_known", known("tier", TIERS)),
                ],
            },
        ),
        history(
            "HistoricalLeverageLimit",
            "historical leverage limit",
            "historical leverage limits",
            [
                ("tier", models.CharField(choices=TIERS, db_index=True, max_length=20)),
                (
                    "max_leverage",
                    models.PositiveSmallIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        "accounts.account",
                        models.PROTECT,
                        primary_key=True,
                        related_name="reservation",
                        serialize=False,
                    ),
                ),
                ("reserved_margin", amount(default=0)),
                ("reserved_notional", amount(default=0)),
            ],
            options={
                "constraints": [
                    check(
                        "reservations_not_negative",
                        Q(reserved_margin__gte=0, reserved_notional__gte=0),
                    ),
                    check(
                        "reservations_are_numbers",
                        are_numbers("reserved_margin", "reserved_notional"),
                    ),
                ]
            },
        ),
        migrations.CreateModel(
            name="RiskPolicy",
            fields=[SINGLE_ID, *POLICY_COLUMNS],
            options={
                "verbose_name_plural": "risk policy",
                "constraints": [
                    check("risk_policy_single_row", Q(id=1)),
                    check(
                        "risk_policy_limits_not_negative",
                        Q(
                            global_exposure_threshold__gte=0,
                            liquidation_fee_rate__gte=0,
                            liquidation_fee_rate__lt=1,
                            liquidation_threshold__gte=0,
                            user_exposure_limit__gte=0,
                        ),
                    ),
                    check("risk_policy_mode_known", known("liquidation_mode", MODES)),
                    check(
                        "risk_policy_limits_are_numbers",
                        are_numbers(
                            "user_exposure_limit",
                            "global_exposure_threshold",
                            "liquidation_threshold",
                        ),
                    ),
                    check(
                        "risk_policy_collar_positive",
                        Q(price_collar__gt=0, price_collar__lte=LARGEST),
                        "The price collar is a positive share of the mark price.",
                    ),
                ],
            },
        ),
        history(
            "HistoricalRiskPolicy",
            "historical risk policy",
            "historical risk policy",
            [("id", models.IntegerField(blank=True, db_index=True)), *POLICY_COLUMNS],
        ),
        migrations.CreateModel(
            name="AccountBound",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        "accounts.account", models.PROTECT, primary_key=True, serialize=False
                    ),
                ),
                ("bound", amount()),
                (
                    "generation",
                    models.ForeignKey("risk.boundgeneration", models.PROTECT, db_index=False),
                ),
            ],
            options={
                "indexes": [Index(fields=["generation", "bound"], name="bound_by_generation")]
            },
        ),
        migrations.CreateModel(
            name="Position",
            fields=[
                ID,
                ("quantity", amount()),
                ("cost", amount()),
                ("margin", amount()),
                (
                    "leverage",
                    models.PositiveSmallIntegerField(
                        help_text="Leverage of the last opening fill."
                    ),
                ),
                ("realized_pnl", amount(default=0)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("OPEN", "Open"),
                            ("CLOSED", "Closed by an order"),
                            ("LIQUIDATED", "Closed out"),
                        ],
                        default="OPEN",
                        max_length=10,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("account", refers("accounts.account", "positions")),
                ("instrument", refers("market.instrument", "positions")),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    Index(fields=["account", "-id"], name="position_by_account"),
                    Index(fields=["account", "instrument", "-id"], name="position_by_instrument"),
                ],
                "constraints": [
                    UniqueConstraint(
                        condition=Q(status="OPEN"),
                        fields=("account", "instrument"),
                        name="position_one_open_per_instrument",
                    ),
                    check(
                        "position_flat_when_closed",
                        Q(closed_at__isnull=True, status="OPEN") & ~Q(quantity=0)
                        | Q(
                            closed_at__isnull=False,
                            cost=0,
                            margin=0,
                            quantity=0,
                            status__in=["CLOSED", "LIQUIDATED"],
                        ),
                    ),
                    check(
                        "position_cost_has_sign_of_quantity",
                        Q(cost__gte=0, quantity__gt=0)
                        | Q(cost__lte=0, quantity__lt=0)
                        | Q(cost=0, quantity=0),
                    ),
                    check("position_margin_not_negative", Q(margin__gte=0)),
                    check("position_leverage_at_least_one", Q(leverage__gte=1)),
                    check(
                        "position_amounts_are_numbers",
                        are_numbers("quantity", "cost", "margin", "realized_pnl"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReferencePrice",
            fields=[
                ID,
                ("price", amount()),
                ("generation", models.ForeignKey("risk.boundgeneration", models.CASCADE)),
                ("instrument", models.ForeignKey("market.instrument", models.PROTECT)),
            ],
            options={
                "constraints": [
                    UniqueConstraint(
                        fields=("generation", "instrument"),
                        name="reference_price_once_per_generation",
                    ),
                    check("reference_price_positive", Q(price__gt=0)),
                ]
            },
        ),
    ]
