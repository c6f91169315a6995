"""How far agents have come with the market, for a replay that waits for them."""

from django.db import models

from accounts.models import Account


class Readiness(models.Model):
    """The last market step that an account has said to be done with."""

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    step = models.PositiveBigIntegerField(db_index=True)

    class Meta:
        # Nobody looks at it in the console.
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.account_id} is done with step {self.step}"
