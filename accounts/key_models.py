"""What users call the API with: keys, and how often they may."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.networks import MOST_NETWORKS, NetworkField
from accounts.user_models import Tier, User
from market.kernel.reasons import History


class KeyScopes(models.TextChoices):
    """What a key may do; written as OAuth writes scopes, with blanks between them."""

    READ = "read", "Read"
    READ_TRADE = "read trade", "Read and trade"


#: A window that slides is a list as long as its limit.
MOST_PER_WINDOW = 100_000


class ApiKey(models.Model):
    """A credential of a user. Only the SHA-256 of the key is kept; the prefix tells keys apart."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    scopes = models.CharField(
        max_length=20,
        choices=KeyScopes.choices,
        default=KeyScopes.READ_TRADE,
        db_default=KeyScopes.READ_TRADE,
        help_text="Reading changes nothing; all else needs trade.",
    )
    expires_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From this instant on, UTC, the key and its tokens open nothing; empty: never.",
    )
    networks = ArrayField(
        NetworkField(),
        size=MOST_NETWORKS,
        default=list,
        db_default=[],
        blank=True,
        help_text="Where the key may be used from, such as 192.0.2.0/24 or 2001:db8::/32, one "
        "a line; empty: from anywhere.",
    )
    replaces = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__in=KeyScopes.values), name="api_key_scopes_known"
            ),
            models.CheckConstraint(
                condition=Q(networks__len__lte=MOST_NETWORKS), name="api_key_networks_bounded"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"


def at_most(name: str) -> Q:
    """Return the condition that a column holds a rate limit, or NULL, which is none of its own."""
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__range": (1, MOST_PER_WINDOW)})


class RateLimit(models.Model):
    """How often keys of a tier and of scopes may call, and place orders.

    There is a row for each tier and each set of scopes, for good. What is empty in it is as the
    settings API_RATE_LIMIT and ORDER_RATE_LIMIT say, of orders in ten seconds no limit.
    """

    id = models.SmallAutoField(primary_key=True)
    tier = models.CharField(max_length=20, choices=Tier.choices, editable=False)
    scopes = models.CharField(max_length=20, choices=KeyScopes.choices, editable=False)
    requests_per_minute = models.IntegerField(
        null=True, blank=True, help_text="Of a key; empty: as the setting API_RATE_LIMIT says."
    )
    orders_per_minute = models.IntegerField(
        null=True, blank=True, help_text="Of a key; empty: as the setting ORDER_RATE_LIMIT says."
    )
    orders_per_10_seconds = models.IntegerField(
        "orders per 10 seconds",
        null=True,
        blank=True,
        help_text="Of a key, beside those of a minute; empty: no such limit.",
    )

    history = History()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["tier", "scopes"], name="rate_limit_once"),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="rate_limit_tier_known"),
            models.CheckConstraint(
                condition=Q(scopes__in=KeyScopes.values), name="rate_limit_scopes_known"
            ),
            models.CheckConstraint(
                condition=at_most("requests_per_minute")
                & at_most("orders_per_minute")
                & at_most("orders_per_10_seconds"),
                name="rate_limit_in_range",
                violation_error_message=f"A limit is from 1 to {MOST_PER_WINDOW:,}, or empty.",
            ),
            models.CheckConstraint(
                condition=~Q(scopes=KeyScopes.READ)
                | Q(orders_per_minute__isnull=True, orders_per_10_seconds__isnull=True),
                name="rate_limit_readers_place_no_orders",
                violation_error_message="A key that only reads places no orders.",
            ),
        ]

    def __str__(self) -> str:
        return f"{Tier(self.tier).label}: {KeyScopes(self.scopes).label.lower()}"
