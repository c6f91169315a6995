"""Kills: what was held back and how many orders were cancelled because of it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from market.migrations._shorthand import ID, check, known, sql_beside

STATES = [("REDUCING", "Reducing"), ("HALTED", "Halted")]


def one(to):
    return models.ForeignKey(
        to, django.db.models.deletion.PROTECT, null=True, blank=True, related_name="+"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0005_console_names"),
        ("accounts", "0010_states"),
        ("market", "0010_states"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            "Kill",
            [
                ID,
                ("account", one("accounts.account")),
                ("instrument", one("market.instrument")),
                ("state", models.CharField(max_length=10, choices=STATES)),
                ("reason", models.TextField()),
                (
                    "canceled",
                    models.IntegerField(default=0, help_text="Orders that it has cancelled."),
                ),
                ("started_at", models.DateTimeField()),
                ("started_by", one(settings.AUTH_USER_MODEL)),
                ("finished_at", models.DateTimeField(null=True, blank=True)),
            ],
            {
                "ordering": ["-id"],
                "constraints": [
                    check("kill_has_one_scope", Q(account=None) | Q(instrument=None)),
                    check("kill_state_known", known("state", STATES)),
                    models.UniqueConstraint(
                        fields=["account", "instrument", "state"],
                        condition=Q(finished_at=None),
                        nulls_distinct=False,
                        name="kill_one_unfinished_of_a_scope",
                    ),
                ],
            },
        ),
        sql_beside(__file__),
    ]
