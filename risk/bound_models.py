"""What is known in advance about breaches: how far marks may move before an account needs a look.

See ``risk.bounds`` for what the figures mean and why no breach is missed.
"""

from django.db import models
from django.db.models import Q

from accounts.models import Account
from market.kernel.amounts import AMOUNT_FIELD
from market.models import Instrument
from risk.maintenance import LONGEST_TEXT


class BoundGeneration(models.Model):
    """A set of reference prices, never changed, and what its bounds were made for.

    ``brackets`` are the ladders in force then, none by shares of the initial margin.
    """

    threshold = models.DecimalField(**AMOUNT_FIELD)
    brackets = models.CharField(max_length=LONGEST_TEXT, default="", db_default="", blank=True)

    def __str__(self) -> str:
        return f"Generation {self.pk}"


class ReferencePrice(models.Model):
    """The mark price of an instrument when a generation began."""

    generation = models.ForeignKey(BoundGeneration, on_delete=models.CASCADE)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    price = models.DecimalField(**AMOUNT_FIELD)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "instrument"], name="reference_price_once_per_generation"
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="reference_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} at {self.price}"


class AccountBound(models.Model):
    """How far, as a share, marks may leave their reference prices before the account can breach."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True)
    generation = models.ForeignKey(BoundGeneration, on_delete=models.PROTECT, db_index=False)
    bound = models.DecimalField(**AMOUNT_FIELD)

    class Meta:
        indexes = [models.Index(fields=["generation", "bound"], name="bound_by_generation")]

    def __str__(self) -> str:
        return f"{self.account}: {self.bound}"


class TouchedAccount(models.Model):
    """An account whose balance or positions changed after its bound was worked out.

    Written by triggers in the transaction of the change, so that no path can leave it out.
    """

    account_id = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.account_id)
