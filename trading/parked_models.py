"""What a venue said about an order and nobody may book unseen."""

from django.db import models
from django.db.models import Q

from accounts.models import User
from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.constraints import are_numbers


class ParkedOutcome(models.TextChoices):
    BOOKED = "booked", "Booked as staff entered it"
    RELEASED = "released", "Order ended without a further fill"
    ADJUSTED = "adjusted", "Order had ended; balance adjusted"
    CLOSED = "closed", "Order had ended; nothing to adjust"


class ParkedAnswer(models.Model):
    """An answer of a venue that does not fit its order, from ``parked_at`` until staff settle it.

    While it is open the order stays as it is, with its reservation. ``executed_quantity`` is how
    much the venue says it filled, booked parts included: what staff have looked at is not parked
    again.
    """

    order = models.ForeignKey("Order", on_delete=models.PROTECT, related_name="parked_answers")
    complaint = models.CharField(max_length=200, help_text="Why it was not booked.")
    answer = models.JSONField(help_text="The order and its fills in the venue's words.")
    executed_quantity = models.DecimalField(
        **AMOUNT_FIELD, help_text="What the venue says it filled, booked parts included."
    )
    parked_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=ParkedOutcome.choices, blank=True)
    reason = models.CharField(max_length=200, blank=True, help_text="Why staff settled it so.")
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=Q(settled_at=None), name="parked_answer_one_per_order"
            ),
            models.CheckConstraint(
                condition=are_numbers("executed_quantity"), name="parked_answer_is_a_number"
            ),
            models.CheckConstraint(
                condition=Q(settled_at=None, settled_by=None, outcome="", reason="")
                | Q(
                    settled_at__isnull=False,
                    settled_by__isnull=False,
                    outcome__in=ParkedOutcome.values,
                )
                & ~Q(reason=""),
                name="parked_answer_settled_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"Parked answer {self.pk} on order {self.order_id}"

    @property
    def state(self) -> str:
        """The outcome, or that there is none yet."""
        return self.outcome or "waits for staff"
