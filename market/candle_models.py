"""The candles that market steps keep; ``market.candles`` writes them and makes longer ones."""

from typing import Final

from django.db import models
from django.db.models import F, Q

from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.constraints import are_numbers

#: Seconds of the candles that market steps keep: a minute and an hour.
KEPT_LENGTHS: Final = [60, 3_600]


class KeptCandle(models.Model):
    """The mark prices of one instrument in ``seconds`` from ``open_time`` on, in UTC.

    Candles stay when the ticks that they were made of are forgotten.
    """

    instrument = models.ForeignKey(
        "market.Instrument", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    seconds = models.SmallIntegerField()
    open_time = models.DateTimeField()
    open = models.DecimalField(**AMOUNT_FIELD)
    high = models.DecimalField(**AMOUNT_FIELD)
    low = models.DecimalField(**AMOUNT_FIELD)
    close = models.DecimalField(**AMOUNT_FIELD)
    ticks = models.IntegerField()
    market_time = models.DateTimeField(
        null=True, help_text="Of the first recorded candle whose price is in it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "seconds", "open_time"], name="candle_once_per_interval"
            ),
            models.CheckConstraint(
                condition=Q(low__gt=0)
                & Q(low__lte=F("open"), open__lte=F("high"))
                & Q(low__lte=F("close"), close__lte=F("high"))
                & are_numbers("high"),
                name="candle_prices_within_range",
            ),
            models.CheckConstraint(
                condition=Q(ticks__gt=0, seconds__in=KEPT_LENGTHS), name="candle_holds_ticks"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.open_time} {self.close}"
