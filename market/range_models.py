"""What market steps keep of marks so that a range over a window is read from few rows."""

from django.db import models
from django.db.models import F, Q

from market.candle_models import KEPT_LENGTHS
from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.constraints import are_numbers


class MarkRange(models.Model):
    """The lowest and highest mark of one instrument in ``seconds`` of the market's clock.

    ``market.ranges`` writes it and forgets it once no window reaches that far.
    """

    instrument = models.ForeignKey(
        "market.Instrument", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    seconds = models.SmallIntegerField()
    open_time = models.DateTimeField()
    low = models.DecimalField(**AMOUNT_FIELD)
    high = models.DecimalField(**AMOUNT_FIELD)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "seconds", "open_time"], name="mark_range_once_per_interval"
            ),
            models.CheckConstraint(
                condition=Q(low__gt=0, low__lte=F("high"), seconds__in=KEPT_LENGTHS)
                & are_numbers("high"),
                name="mark_range_of_prices",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.open_time} {self.low} to {self.high}"
