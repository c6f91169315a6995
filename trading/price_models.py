"""Mark prices that a person set: recorded for good, with who did it where that is known."""

from django.db import models
from django.db.models import Q

from accounts.models import User
from market.kernel.amounts import AMOUNT_FIELD, plain
from market.kernel.constraints import are_numbers
from market.models import Instrument


class PriceWay(models.TextChoices):
    """How a person sets a mark price."""

    SET_PRICE = "set_price", "The command set_price"
    REPLAY = "replay", "Recorded or made-up prices, step by step"
    CONSOLE = "console", "The console"
    RELEASE = "release", "The console, releasing a halted instrument"


class ManualPrice(models.Model):
    """A mark price that a person set, and the mark that it replaced.

    Of a replay these are its first price of an instrument and each move beyond the price collar.
    """

    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="manual_prices"
    )
    price = models.DecimalField(**AMOUNT_FIELD)
    previous_price = models.DecimalField(**AMOUNT_FIELD, null=True, blank=True)
    way = models.CharField(max_length=10, choices=PriceWay.choices)
    beyond_collar = models.BooleanField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "price set by hand"
        verbose_name_plural = "prices set by hand"
        constraints = [
            models.CheckConstraint(
                condition=Q(price__gt=0) & are_numbers("price", "previous_price"),
                name="manual_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(way__in=PriceWay.values), name="manual_price_way_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} at {plain(self.price)}"
