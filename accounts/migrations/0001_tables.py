"""Users, API keys, accounts and the ledger of transfers."""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q, UniqueConstraint

from market.migrations._shorthand import (
    ID,
    ID_COPY,
    LARGEST,
    SINGLE_ID,
    amount,
    check,
    history,
    known,
    refers,
)

ACCOUNT_KINDS = [
    ("user", "User"),
    ("external", "Outside world"),
    ("house", "House (counterparty of P&L)"),
    ("fees", "Fees"),
    ("insurance", "Insurance fund"),
    ("bad_debt", "Bad debt"),
]
TIERS = [("beginner", "Beginner"), ("intermediate", "Intermediate"), ("advanced", "Advanced")]
TRANSFER_KINDS = [
    ("deposit", "Deposit"),
    ("withdrawal", "Withdrawal"),
    ("adjustment", "Staff adjustment"),
    ("realized_pnl", "Realised P&L"),
    ("fee", "Trading fee"),
    ("liquidation_fee", "Liquidation fee"),
    ("insurance_cover", "Insurance cover"),
    ("bad_debt", "Bad debt"),
]
USER_COLUMNS = [
    (
        "is_superuser",
        models.BooleanField(
            default=False,
            help_text="Designates that this user has all permissions without explicitly assigning them.",
            verbose_name="superuser status",
        ),
    ),
    (
        "is_staff",
        models.BooleanField(
            default=False,
            help_text="Designates whether the user can log into this admin site.",
            verbose_name="staff status",
        ),
    ),
    (
        "is_active",
        models.BooleanField(
            default=True,
            help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
            verbose_name="active",
        ),
    ),
    (
        "date_joined",
        models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined"),
    ),
    ("tier", models.CharField(choices=TIERS, default="beginner", max_length=20)),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ID,
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                *USER_COLUMNS,
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "abstract": False,
                "constraints": [check("user_tier_known", known("tier", TIERS))],
            },
            managers=[("objects", django.contrib.auth.models.UserManager())],
        ),
        history(
            "HistoricalUser",
            "historical user",
            "historical users",
            [
                ID_COPY,
                (
                    "username",
                    models.CharField(
                        db_index=True,
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                *USER_COLUMNS,
            ],
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                ID,
                ("kind", models.CharField(choices=ACCOUNT_KINDS, default="user", max_length=10)),
                ("balance", amount(default=0, editable=False)),
                (
                    "suspended",
                    models.BooleanField(default=False, help_text="No order is accepted while set."),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "user",
                    models.OneToOneField(
                        settings.AUTH_USER_MODEL,
                        models.PROTECT,
                        blank=True,
                        null=True,
                        related_name="account",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    check(
                        "account_owner_matches_kind",
                        Q(kind="user", user__isnull=False)
                        | ~Q(kind="user") & Q(balance=0, user__isnull=True),
                    ),
                    check("account_kind_known", known("kind", ACCOUNT_KINDS)),
                    check("account_balance_not_negative", Q(balance__gte=0)),
                    UniqueConstraint(
                        condition=~Q(kind="user"),
                        fields=("kind",),
                        name="account_one_of_each_system_kind",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SystemBalance",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        "accounts.account",
                        models.PROTECT,
                        primary_key=True,
                        related_name="system_balance",
                        serialize=False,
                    ),
                ),
                ("balance", amount(default=0, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="SystemMovement",
            fields=[
                ID,
                ("amount", amount()),
                ("system_balance", refers("accounts.systembalance", "movements", db_index=False)),
            ],
        ),
        migrations.CreateModel(
            name="AccountPolicy",
            fields=[
                SINGLE_ID,
                (
                    "opening_balance",
                    amount(default=100000, help_text="USDT deposited into each new account."),
                ),
            ],
            options={
                "verbose_name_plural": "account policy",
                "constraints": [
                    check("account_policy_single_row", Q(id=1)),
                    check("opening_balance_not_negative", Q(opening_balance__gte=0)),
                    check("account_policy_is_a_number", Q(opening_balance__lte=LARGEST)),
                ],
            },
        ),
        history(
            "HistoricalAccountPolicy",
            "historical account policy",
            "historical account policy",
            [
                ("id", models.IntegerField(blank=True, db_index=True)),
                (
                    "opening_balance",
                    amount(default=100000, help_text="USDT deposited into each new account."),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ID,
                ("label", models.CharField(blank=True, max_length=100)),
                ("prefix", models.CharField(editable=False, max_length=12)),
                ("key_hash", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("user", refers(settings.AUTH_USER_MODEL, "api_keys")),
            ],
            options={"verbose_name": "API key", "ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ID,
                ("kind", models.CharField(choices=TRANSFER_KINDS, max_length=20)),
                ("amount", amount()),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="What caused it, as kind:number (order:17).",
                        max_length=60,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", refers(settings.AUTH_USER_MODEL, "+", blank=True, null=True)),
                ("credit_account", refers("accounts.account", "credits")),
                ("debit_account", refers("accounts.account", "debits")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    check("transfer_amount_positive", Q(amount__gt=0)),
                    check("transfer_is_a_number", Q(amount__lte=LARGEST)),
                    check("transfer_two_accounts", ~Q(debit_account=F("credit_account"))),
                    check("transfer_kind_known", known("kind", TRANSFER_KINDS)),
                    check(
                        "transfer_adjustment_is_explained",
                        ~Q(kind="adjustment") | ~Q(reason="") & Q(created_by__isnull=False),
                    ),
                ],
            },
        ),
    ]
