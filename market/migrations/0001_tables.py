"""Instruments, marks, candles, price halts and the clock."""

from decimal import Decimal

from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Index, Q, UniqueConstraint, Value
from django.db.models.functions import Mod
from django.db.models.lookups import Exact

from market.migrations._shorthand import (
    ID,
    ID_COPY,
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

SOURCES = [("binance_testnet", "Binance Spot Testnet"), ("simulation", "Local simulation")]
RELEASES = [("taken", "The refused price was taken"), ("kept", "The old mark was kept")]
INSTRUMENT_COLUMNS = [
    ("base_asset", models.CharField(max_length=10)),
    ("quote_asset", models.CharField(default="USDT", max_length=10)),
    ("tick_size", amount(help_text="Smallest step of a price.")),
    ("lot_size", amount(help_text="Smallest step of an order's size.")),
    (
        "min_notional",
        amount(default=0, help_text="Smallest size × price of an order, in quote asset."),
    ),
    (
        "maker_fee_rate",
        rate(default=0, help_text="Share of the notional paid by a resting order's fill."),
    ),
    (
        "taker_fee_rate",
        rate(default=0, help_text="Share of the notional paid by an immediate fill."),
    ),
    (
        "price_collar",
        rate(
            blank=True,
            help_text="Largest move of the mark price in one step, as a share of it; empty means the risk policy's.",
            null=True,
        ),
    ),
    ("halted", models.BooleanField(default=False, help_text="No order is accepted while set.")),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Instrument",
            fields=[
                ID,
                ("symbol", models.CharField(max_length=20, unique=True)),
                *INSTRUMENT_COLUMNS,
                ("mark_price", amount(blank=True, editable=False, null=True)),
                ("marked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "stepped_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="When the last step of it alone began.",
                        null=True,
                    ),
                ),
                (
                    "mark_source",
                    models.CharField(blank=True, choices=SOURCES, editable=False, max_length=20),
                ),
            ],
            options={
                "ordering": ["symbol"],
                "constraints": [
                    check(
                        "instrument_symbol_upper",
                        Q(symbol__regex="^[A-Z0-9]{2,20}$"),
                        "A symbol is 2 to 20 capital letters and digits.",
                    ),
                    check(
                        "instrument_steps_positive",
                        Q(lot_size__gt=0, min_notional__gte=0, tick_size__gt=0),
                        "Tick and lot size are positive, the minimum notional is not negative.",
                    ),
                    check(
                        "instrument_fee_rates_are_shares",
                        Q(
                            maker_fee_rate__gte=0,
                            maker_fee_rate__lt=1,
                            taker_fee_rate__gte=0,
                            taker_fee_rate__lt=1,
                        ),
                        "Fee rates are shares of the notional, from 0 to below 1.",
                    ),
                    check(
                        "instrument_steps_leave_room",
                        Q(lot_size__lt=Decimal("1000000000"), tick_size__lt=Decimal("1000000000")),
                        "Tick and lot size are below 1,000,000,000.",
                    ),
                    check(
                        "instrument_collar_positive",
                        Q(price_collar__isnull=True)
                        | Q(price_collar__gt=0, price_collar__lte=LARGEST),
                        "The price collar is a positive share of the mark price.",
                    ),
                    check(
                        "instrument_mark_positive", Q(mark_price__isnull=True) | Q(mark_price__gt=0)
                    ),
                    check(
                        "instrument_amounts_are_numbers", are_numbers("mark_price", "min_notional")
                    ),
                    check(
                        "instrument_notional_exact",
                        Exact(
                            Mod(F("tick_size") * F("lot_size"), Value(Decimal("1E-8"))),
                            Value(Decimal("0E-8")),
                        ),
                        "Tick size × lot size must be a multiple of 0.00000001, so that every notional is exact.",
                    ),
                ],
            },
        ),
        history(
            "HistoricalInstrument",
            "historical instrument",
            "historical instruments",
            [
                ID_COPY,
                ("symbol", models.CharField(db_index=True, max_length=20)),
                *INSTRUMENT_COLUMNS,
            ],
        ),
        migrations.CreateModel(
            name="MarketClock",
            fields=[
                SINGLE_ID,
                ("steps", models.PositiveBigIntegerField(default=0)),
                ("stepped_at", models.DateTimeField(blank=True, null=True)),
                ("busy_until", models.DateTimeField(blank=True, null=True)),
                ("holder_pid", models.IntegerField(blank=True, null=True)),
                ("holder_connected_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={"constraints": [check("market_clock_single_row", Q(id=1))]},
        ),
        migrations.CreateModel(
            name="KeptCandle",
            fields=[
                ID,
                ("seconds", models.SmallIntegerField()),
                ("open_time", models.DateTimeField()),
                ("open", amount()),
                ("high", amount()),
                ("low", amount()),
                ("close", amount()),
                ("ticks", models.IntegerField()),
                ("instrument", refers("market.instrument", "+", db_index=False)),
            ],
            options={
                "constraints": [
                    UniqueConstraint(
                        fields=("instrument", "seconds", "open_time"),
                        name="candle_once_per_interval",
                    ),
                    check(
                        "candle_prices_within_range",
                        Q(low__gt=0, low__lte=F("open"), open__lte=F("high"))
                        & Q(close__lte=F("high"), low__lte=F("close"))
                        & Q(high__lte=LARGEST),
                    ),
                    check("candle_holds_ticks", Q(seconds__in=[60, 3600], ticks__gt=0)),
                ]
            },
        ),
        migrations.CreateModel(
            name="PriceHalt",
            fields=[
                ID,
                ("mark_price", amount()),
                ("mark_source", models.CharField(choices=SOURCES, max_length=20)),
                ("price", amount()),
                ("source", models.CharField(choices=SOURCES, max_length=20)),
                ("collar", rate(help_text="Largest move that was allowed.")),
                ("halted_at", models.DateTimeField()),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.CharField(blank=True, choices=RELEASES, max_length=10)),
                (
                    "stays_halted",
                    models.BooleanField(
                        default=False,
                        help_text="Staff halted the instrument too: the release does not resume it.",
                    ),
                ),
                ("instrument", refers("market.instrument", "price_halts")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    UniqueConstraint(
                        condition=Q(released_at=None),
                        fields=("instrument",),
                        name="price_halt_one_open_per_instrument",
                    ),
                    check(
                        "price_halt_released_with_outcome",
                        Q(outcome="", released_at=None)
                        | known("outcome", RELEASES) & Q(released_at__isnull=False),
                    ),
                    check(
                        "price_halt_amounts_positive",
                        Q(collar__gt=0, mark_price__gt=0, price__gt=0)
                        & are_numbers("mark_price", "price", "collar"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceTick",
            fields=[
                ID,
                ("price", amount()),
                ("source", models.CharField(choices=SOURCES, max_length=20)),
                ("created_at", models.DateTimeField()),
                ("instrument", refers("market.instrument", "ticks")),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [Index(fields=["instrument", "-created_at"], name="tick_by_time")],
                "constraints": [check("tick_price_positive", Q(price__gt=0, price__lte=LARGEST))],
            },
        ),
    ]
