"""Who trades, and at which tier."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from market.kernel.reasons import History


class Tier(models.TextChoices):
    """How experienced a user is; risk policy ties a leverage limit to each tier."""

    BEGINNER = "beginner", "Beginner"
    INTERMEDIATE = "intermediate", "Intermediate"
    ADVANCED = "advanced", "Advanced"


class User(AbstractUser):
    """A person or an agent: trades with an API key, or works in the staff console."""

    tier = models.CharField(max_length=20, choices=Tier.choices, default=Tier.BEGINNER)

    history = History(
        excluded_fields=["password", "last_login", "first_name", "last_name", "email"]
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="user_tier_known")
        ]
