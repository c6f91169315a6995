"""Kills: acts that held trading back and cancelled what was open, recorded for good."""

from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from market.kernel.states import TradingState
from market.models import Instrument

#: What a kill may set: it never lets more pass than before.
KILL_STATES = [(state.value, state.capitalize()) for state in list(TradingState)[1:]]


class Kill(models.Model):
    """One act: a state that was set, and the orders that were cancelled because of it.

    Of an account, of an instrument, or of everybody where it names neither. It is unfinished until
    nothing of its scope is open that was placed before, or its state is loosened or made stricter
    by another kill; whoever asks for the same before that goes on with it.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=KILL_STATES)
    reason = models.TextField()
    # What was under way when its state was loosened may end uncounted: its record stands by then.
    canceled = models.IntegerField(
        default=0, help_text="Orders that it has cancelled, as counted when it ended."
    )
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(account=None) | Q(instrument=None), name="kill_has_one_scope"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state for state, _ in KILL_STATES]), name="kill_state_known"
            ),
            models.UniqueConstraint(
                fields=["account", "instrument", "state"],
                condition=Q(finished_at=None),
                nulls_distinct=False,
                name="kill_one_unfinished_of_a_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"Kill of {self.scope}"

    @property
    def scope(self) -> str:
        """Whose orders it cancels."""
        return str(self.account or self.instrument or "everybody")
