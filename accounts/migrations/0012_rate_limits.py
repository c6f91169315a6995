"""Rate limits by tier and scopes: a row of each, empty at first, which is as the settings say."""

from django.db import migrations, models
from django.db.models import Q

from market.migrations._shorthand import SINGLE_ID as SMALL_ID
from market.migrations._shorthand import check, history, keep_first_state, known, sql_beside

TIERS = [("beginner", "Beginner"), ("intermediate", "Intermediate"), ("advanced", "Advanced")]
SCOPES = [("read", "Read"), ("read trade", "Read and trade")]
SAYS = "Of a key; empty: as the setting {} says."
LIMITS = ("requests_per_minute", "orders_per_minute", "orders_per_10_seconds")


def columns():
    """Return what a row and its history have in common."""

    def limit(help_text, *name):
        return models.IntegerField(*name, blank=True, help_text=help_text, null=True)

    per_ten = "Of a key, beside those of a minute; empty: no such limit."
    return [
        ("tier", models.CharField(choices=TIERS, editable=False, max_length=20)),
        ("scopes", models.CharField(choices=SCOPES, editable=False, max_length=20)),
        (LIMITS[0], limit(SAYS.format("API_RATE_LIMIT"))),
        (LIMITS[1], limit(SAYS.format("ORDER_RATE_LIMIT"))),
        (LIMITS[2], limit(per_ten, "orders per 10 seconds")),
    ]


def in_range(name):
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__range": (1, 100_000)})


def create_rows(apps, schema_editor):
    limit = apps.get_model("accounts", "RateLimit")
    rows = [limit(tier=tier, scopes=scopes) for tier, _ in TIERS for scopes, _ in SCOPES]
    limit.objects.bulk_create(rows)
    keep_first_state(apps, schema_editor, "accounts.HistoricalRateLimit", rows)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_sliding_limits")]
    operations = [
        migrations.CreateModel(
            name="RateLimit",
            fields=[SMALL_ID, *columns()],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=["tier", "scopes"], name="rate_limit_once"),
                    check("rate_limit_tier_known", known("tier", TIERS)),
                    check("rate_limit_scopes_known", known("scopes", SCOPES)),
                    check(
                        "rate_limit_in_range",
                        in_range(LIMITS[0]) & in_range(LIMITS[1]) & in_range(LIMITS[2]),
                        "A limit is from 1 to 100,000, or empty.",
                    ),
                    check(
                        "rate_limit_readers_place_no_orders",
                        ~Q(scopes="read")
                        | Q(orders_per_minute__isnull=True, orders_per_10_seconds__isnull=True),
                        "A key that only reads places no orders.",
                    ),
                ],
            },
        ),
        history(
            "HistoricalRateLimit",
            "historical rate limit",
            "historical rate limits",
            [("id", models.IntegerField(blank=True, db_index=True)), *columns()],
        ),
        migrations.AlterField(
            "historicalratelimit", "history_change_reason", models.TextField(null=True)
        ),
        migrations.RunPython(create_rows),
        sql_beside(__file__),
    ]
