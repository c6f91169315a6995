"""What migrations of all apps say often. Those that ran are made of it: add to it, never edit it."""

from decimal import Decimal
from pathlib import Path

import simple_history.models
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

#: NaN ranks above every number, and so above this one.
LARGEST = Decimal("99999999999999999999.99999999")

ID = (
    "id",
    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
)
#: The id of the row that a row of a history is about.
ID_COPY = (
    "id",
    models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID"),
)
#: Of a table with a single row.
SINGLE_ID = ("id", models.SmallAutoField(primary_key=True, serialize=False))


def amount(**options):
    return models.DecimalField(max_digits=28, decimal_places=8, **options)


def rate(**options):
    return models.DecimalField(max_digits=12, decimal_places=8, **options)


def reducing():
    """Return the switch that lets only orders pass which reduce a position."""
    return models.BooleanField(
        default=False,
        db_default=False,
        help_text="While set, only orders that reduce a position are accepted.",
    )


def are_numbers(*names):
    return models.Q(LessThanOrEqual(Greatest(*names), models.Value(LARGEST)))


def known(column, choices):
    return models.Q(**{f"{column}__in": [value for value, _ in choices]})


def check(name, condition, message=None):
    return models.CheckConstraint(condition=condition, name=name, violation_error_message=message)


def refers(to, related_name, **options):
    return models.ForeignKey(to, models.PROTECT, related_name=related_name, **options)


def history(name, verbose_name, verbose_name_plural, fields):
    """Return the table that keeps what the rows of another one were, and who changed them."""
    changes = [("+", "Created"), ("~", "Changed"), ("-", "Deleted")]
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    return migrations.CreateModel(
        name=name,
        fields=[
            *fields,
            ("history_id", models.AutoField(primary_key=True, serialize=False)),
            ("history_date", models.DateTimeField(db_index=True)),
            ("history_change_reason", models.CharField(max_length=100, null=True)),
            ("history_type", models.CharField(choices=changes, max_length=1)),
            ("history_user", user),
        ],
        options={
            "verbose_name": verbose_name,
            "verbose_name_plural": verbose_name_plural,
            "ordering": ("-history_date", "-history_id"),
            "get_latest_by": ("history_date", "history_id"),
        },
        bases=(simple_history.models.HistoricalChanges, models.Model),
    )


def sql_beside(migration):
    """Return the operation that runs the .sql file with the name of a migration's file."""
    return migrations.RunSQL(Path(migration).with_suffix(".sql").read_text(encoding="utf-8"))


def uncut_reason(history_model):
    """Return the operation that lets a history keep reasons of any length."""
    text = models.TextField(null=True)
    return migrations.AlterField(history_model, "history_change_reason", text)


def keep_first_state(apps, schema_editor, history_model, rows):
    """Give rows that a migration made their first record: what they were at the installation.

    ``history_model`` is named as app.model. A row that has such a record already keeps it.
    """
    history = apps.get_model(history_model)
    app = history._meta.app_label
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT applied FROM django_migrations WHERE app = %s AND name = '0003_rows'", [app]
        )
        [installed] = cursor.fetchone() or [timezone.now()]
    kept = {field.attname for field in history._meta.concrete_fields}
    key = rows[0]._meta.pk.attname
    known = set(history.objects.filter(history_type="+").values_list(key, flat=True))
    history.objects.bulk_create(
        history(
            history_type="+",
            history_date=installed,
            history_change_reason="installation",
            **{
                field.attname: getattr(row, field.attname)
                for field in row._meta.concrete_fields
                if field.attname in kept
            },
        )
        for row in rows
        if row.pk not in known
    )
