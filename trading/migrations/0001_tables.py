"""Orders, trades, liquidations, parked answers and prices set by hand."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Index, Q, UniqueConstraint

from market.migrations._shorthand import ID, LARGEST, amount, are_numbers, check, known, refers

WAYS = [
    ("set_price", "The command set_price"),
    ("replay", "Recorded or made-up prices, step by step"),
    ("console", "The console"),
    ("release", "The console, releasing a halted instrument"),
]
SIDES = [("buy", "Buy"), ("sell", "Sell")]
TYPES = [("market", "Market"), ("limit", "Limit")]
STATUSES = [
    ("PENDING_NEW", "Pending: the venue has not answered yet"),
    ("NEW", "New: resting"),
    ("PARTIALLY_FILLED", "Partially filled"),
    ("FILLED", "Filled"),
    ("CANCELED", "Canceled"),
    ("REJECTED", "Rejected"),
    ("EXPIRED", "Expired: ended by the exchange"),
]
VENUES = [("simulated", "Simulated"), ("binance_testnet", "Binance Spot Testnet")]
SETTLEMENTS = [
    ("booked", "Booked as staff entered it"),
    ("released", "Order ended without a further fill"),
    ("adjusted", "Order had ended; balance adjusted"),
    ("closed", "Order had ended; nothing to adjust"),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("accounts", "0001_tables"),
        ("market", "0001_tables"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="Liquidation",
            fields=[
                ID,
                ("mode", models.CharField(max_length=20)),
                ("threshold", amount()),
                ("margin_ratio_before", amount(blank=True, null=True)),
                ("margin_ratio_after", amount(blank=True, null=True)),
                ("equity_before", amount()),
                ("equity_after", amount()),
                ("margin_before", amount()),
                ("margin_after", amount()),
                ("insurance_paid", amount(default=0)),
                ("bad_debt", amount(default=0)),
                ("created_at", models.DateTimeField()),
                ("account", refers("accounts.account", "liquidations")),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [Index(fields=["account", "-id"], name="liquidation_by_account")],
                "constraints": [
                    check(
                        "liquidation_cover_not_negative", Q(bad_debt__gte=0, insurance_paid__gte=0)
                    ),
                    check(
                        "liquidation_began_in_breach",
                        Q(margin_after__gte=0)
                        & (
                            Q(
                                margin_before__gt=0,
                                margin_ratio_before__isnull=False,
                                margin_ratio_before__lte=F("threshold"),
                            )
                            | Q(equity_before__lt=0, margin_before=0, margin_ratio_before=None)
                        ),
                    ),
                    check("liquidation_mode_known", Q(mode__in=["full", "largest_loss_first"])),
                    check(
                        "liquidation_amounts_are_numbers",
                        are_numbers(
                            "threshold",
                            "margin_ratio_before",
                            "margin_ratio_after",
                            "equity_before",
                            "equity_after",
                            "margin_before",
                            "margin_after",
                            "insurance_paid",
                            "bad_debt",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ManualPrice",
            fields=[
                ID,
                ("price", amount()),
                ("previous_price", amount(blank=True, null=True)),
                ("way", models.CharField(choices=WAYS, max_length=10)),
                ("beyond_collar", models.BooleanField()),
                ("created_at", models.DateTimeField()),
                ("created_by", refers(settings.AUTH_USER_MODEL, "+", blank=True, null=True)),
                ("instrument", refers("market.instrument", "manual_prices")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    check(
                        "manual_price_positive",
                        Q(price__gt=0) & are_numbers("price", "previous_price"),
                    ),
                    check("manual_price_way_known", known("way", WAYS)),
                ],
            },
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ID,
                ("symbol", models.CharField(max_length=20)),
                ("client_order_id", models.CharField(blank=True, max_length=64, null=True)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("side", models.CharField(choices=SIDES, max_length=4)),
                ("type", models.CharField(choices=TYPES, max_length=6)),
                ("size", models.DecimalField(max_digits=36, decimal_places=18)),
                (
                    "price",
                    models.DecimalField(max_digits=36, decimal_places=18, blank=True, null=True),
                ),
                ("leverage", models.PositiveIntegerField(blank=True, null=True)),
                ("reduce_only", models.BooleanField(default=False)),
                ("liquidation", models.BooleanField(default=False)),
                ("status", models.CharField(choices=STATUSES, max_length=16)),
                ("reject_code", models.CharField(blank=True, max_length=40)),
                ("reject_detail", models.CharField(blank=True, max_length=200)),
                ("filled_size", amount(default=0)),
                ("average_price", amount(blank=True, null=True)),
                ("required_margin", amount(default=0)),
                ("reserved_margin", amount(default=0)),
                ("reserved_notional", amount(default=0)),
                ("venue", models.CharField(choices=VENUES, default="simulated", max_length=20)),
                (
                    "accepted_as",
                    models.CharField(
                        choices=STATUSES, help_text="Status in the first answer.", max_length=16
                    ),
                ),
                ("answered_filled_size", amount(db_default=0, default=0)),
                ("answered_average_price", amount(blank=True, null=True)),
                ("user_exposure_after", amount(blank=True, null=True)),
                ("global_exposure_after", amount(blank=True, null=True)),
                ("triggered_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("account", refers("accounts.account", "orders")),
                ("instrument", refers("market.instrument", "orders", blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    Index(fields=["account", "-id"], name="order_by_account"),
                    Index(
                        condition=Q(status__in=["NEW", "PARTIALLY_FILLED"]),
                        fields=["instrument", "side", "price"],
                        name="order_resting_by_price",
                    ),
                    Index(
                        condition=Q(
                            status__in=["NEW", "PARTIALLY_FILLED"], triggered_at__isnull=False
                        ),
                        fields=["account", "id"],
                        name="order_reached_by_account",
                    ),
                    Index(
                        condition=Q(status__in=["PENDING_NEW", "NEW", "PARTIALLY_FILLED"]),
                        fields=["account", "id"],
                        name="order_open_by_account",
                    ),
                    Index(
                        condition=Q(
                            status__in=["PENDING_NEW", "NEW", "PARTIALLY_FILLED"],
                            venue="binance_testnet",
                        ),
                        fields=["status"],
                        name="order_open_at_venue",
                    ),
                    Index(
                        condition=Q(venue="binance_testnet")
                        & (
                            Q(status__in=["CANCELED", "EXPIRED"])
                            | Q(reject_code="venue_rejected", status="REJECTED")
                        ),
                        fields=["updated_at"],
                        name="order_ended_at_venue",
                    ),
                ],
                "constraints": [
                    UniqueConstraint(
                        fields=("account", "client_order_id"),
                        name="order_client_id_once_per_account",
                    ),
                    check("order_status_known", known("status", STATUSES)),
                    check("order_side_and_type_known", known("side", SIDES) & known("type", TYPES)),
                    check(
                        "order_accepted_is_complete",
                        Q(status="REJECTED")
                        | Q(instrument__isnull=False, size__gt=0)
                        & Q(leverage__gte=1, leverage__isnull=False),
                    ),
                    check(
                        "order_limit_has_price",
                        Q(status="REJECTED")
                        | ~Q(type="limit")
                        | Q(price__gt=0, price__isnull=False),
                    ),
                    check(
                        "order_rejected_has_code",
                        ~Q(status="REJECTED") | ~Q(reject_code="") & Q(filled_size=0),
                    ),
                    check(
                        "order_filled_within_size",
                        Q(filled_size=0)
                        | Q(filled_size__gt=0, filled_size__lte=F("size"))
                        & Q(average_price__gt=0, average_price__isnull=False),
                    ),
                    check(
                        "order_reserves_only_while_open",
                        Q(reserved_margin__gte=0, reserved_notional__gte=0)
                        & (
                            Q(status__in=["PENDING_NEW", "NEW", "PARTIALLY_FILLED"])
                            | Q(reserved_margin=0, reserved_notional=0)
                        ),
                    ),
                    check(
                        "order_reduce_only_reserves_nothing",
                        Q(reduce_only=False) | Q(reserved_margin=0, reserved_notional=0),
                    ),
                    check("order_market_has_no_limit", ~Q(type="market") | Q(price__isnull=True)),
                    check(
                        "order_fill_matches_status",
                        ~Q(status__in=["PENDING_NEW", "NEW", "REJECTED"]) & Q(filled_size__gt=0)
                        | ~Q(status__in=["PARTIALLY_FILLED", "FILLED"])
                        & Q(average_price__isnull=True, filled_size=0),
                    ),
                    check(
                        "order_first_answer_and_venue_known",
                        known("accepted_as", STATUSES) & known("venue", VENUES),
                    ),
                    check(
                        "order_answered_fill_within_fill",
                        Q(answered_average_price__isnull=True, answered_filled_size=0)
                        | Q(answered_filled_size__gt=0, answered_filled_size__lte=F("filled_size"))
                        & Q(
                            answered_average_price__gt=0,
                            answered_average_price__isnull=False,
                            answered_average_price__lte=LARGEST,
                        ),
                    ),
                    check(
                        "order_answer_not_negative",
                        Q(required_margin__gte=0)
                        & (Q(user_exposure_after__isnull=True) | Q(user_exposure_after__gte=0))
                        & (Q(global_exposure_after__isnull=True) | Q(global_exposure_after__gte=0)),
                    ),
                    check(
                        "order_amounts_are_numbers",
                        are_numbers(
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
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ParkedAnswer",
            fields=[
                ID,
                ("complaint", models.CharField(help_text="Why it was not booked.", max_length=200)),
                (
                    "answer",
                    models.JSONField(help_text="The order and its fills in the venue's words."),
                ),
                (
                    "executed_quantity",
                    amount(help_text="What the venue says it filled, booked parts included."),
                ),
                ("parked_at", models.DateTimeField()),
                ("outcome", models.CharField(blank=True, choices=SETTLEMENTS, max_length=10)),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="Why staff settled it so.", max_length=200
                    ),
                ),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("order", refers("trading.order", "parked_answers")),
                ("settled_by", refers(settings.AUTH_USER_MODEL, "+", blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    UniqueConstraint(
                        condition=Q(settled_at=None),
                        fields=("order",),
                        name="parked_answer_one_per_order",
                    ),
                    check("parked_answer_is_a_number", Q(executed_quantity__lte=LARGEST)),
                    check(
                        "parked_answer_settled_by_somebody",
                        Q(outcome="", reason="", settled_at=None, settled_by=None)
                        | known("outcome", SETTLEMENTS)
                        & Q(settled_at__isnull=False, settled_by__isnull=False)
                        & ~Q(reason=""),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Trade",
            fields=[
                ID,
                ("side", models.CharField(choices=SIDES, max_length=4)),
                ("size", amount()),
                ("price", amount()),
                ("notional", amount()),
                ("leverage", models.PositiveIntegerField()),
                ("fee", amount(default=0)),
                ("realized_pnl", amount(default=0)),
                ("created_at", models.DateTimeField()),
                ("account", refers("accounts.account", "trades")),
                ("instrument", refers("market.instrument", "trades")),
                ("liquidation", refers("trading.liquidation", "trades", blank=True, null=True)),
                ("order", refers("trading.order", "trades")),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [Index(fields=["account", "-id"], name="trade_by_account")],
                "constraints": [
                    check(
                        "trade_amounts_positive",
                        Q(
                            fee__gte=0,
                            notional=F("size") * F("price"),
                            price__gt=0,
                            size__gt=0,
                        ),
                    ),
                    check("trade_side_known", known("side", SIDES)),
                    check("trade_leverage_at_least_one", Q(leverage__gte=1)),
                    check(
                        "trade_amounts_are_numbers",
                        are_numbers("size", "price", "notional", "fee", "realized_pnl"),
                    ),
                ],
            },
        ),
    ]
