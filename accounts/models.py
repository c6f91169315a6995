"""What users own: accounts and the ledger of transfers."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.key_models import MOST_PER_WINDOW, ApiKey, KeyScopes, RateLimit
from accounts.user_models import Tier, User
from market.kernel.amounts import AMOUNT_FIELD, plain
from market.kernel.constraints import are_numbers
from market.kernel.reasons import History
from market.kernel.states import TradingState, state_of
from market.models import REDUCING_FIELD

#: What Django and all others find here, though it stands in modules of its own.
__all__ = ["MOST_PER_WINDOW", "ApiKey", "KeyScopes", "RateLimit", "Tier", "User"]


class AccountPolicy(models.Model):
    """The single row of rules for accounts: what new ones open with, and who may call what.

    What staff alone may call, and how often keys may, changes nothing in an account, so that it is
    no risk policy.
    """

    id = models.SmallAutoField(primary_key=True)
    opening_balance = models.DecimalField(
        **AMOUNT_FIELD, default=100_000, help_text="USDT deposited into each new account."
    )
    staff_only_kpis = models.BooleanField(
        "KPIs for staff only",
        default=False,
        db_default=False,
        help_text="GET /kpi/* answers keys of staff and regulators alone.",
    )
    staff_only_ticks = models.BooleanField(
        "ticks for staff only",
        default=False,
        db_default=False,
        help_text="POST /market/tick answers keys of staff alone; the market steps by itself as "
        "ever.",
    )
    sliding_limits = models.BooleanField(
        "sliding limits",
        default=False,
        db_default=False,
        help_text="A key's limits of requests and orders hold in any span of their length, not in "
        "fixed windows alone, over whose edge twice as many pass.",
    )

    request_weights = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="How many requests a call counts as for the limits of keys, such as "
        "GET /kpi/history: 5, POST /orders: 2. Any other counts as one.",
    )

    history = History()

    class Meta:
        verbose_name_plural = "account policy"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="account_policy_single_row"),
            models.CheckConstraint(
                condition=Q(opening_balance__gte=0), name="opening_balance_not_negative"
            ),
            models.CheckConstraint(
                condition=are_numbers("opening_balance"), name="account_policy_is_a_number"
            ),
        ]

    def __str__(self) -> str:
        return "Account policy"


class AccountKind(models.TextChoices):
    """Whose money an account holds: a user's, or one of the five system accounts."""

    USER = "user", "User"
    EXTERNAL = "external", "Outside world"
    HOUSE = "house", "House (counterparty of P&L)"
    FEES = "fees", "Fees"
    INSURANCE = "insurance", "Insurance fund"
    BAD_DEBT = "bad_debt", "Bad debt"


class Account(models.Model):
    """A place that transfers move money to and from, in USDT.

    ``balance`` is the running balance of a user's account; the database derives it from the
    inserted transfers and refuses any other change. System accounts keep it at zero, so that no
    order waits for a shared row; their balance is the sum over their transfers.
    """

    kind = models.CharField(max_length=10, choices=AccountKind.choices, default=AccountKind.USER)
    user = models.OneToOneField(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="account"
    )
    balance = models.DecimalField(**AMOUNT_FIELD, default=0, editable=False)
    suspended = models.BooleanField(default=False, help_text="No order is accepted while set.")
    reducing = models.BooleanField(**REDUCING_FIELD)
    throttled = models.CharField(
        max_length=40,
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="What the throttle of repeated execution counted when it set reducing, such as "
        "5 fills in 60 s; staff end that with the state.",
    )
    fills_before = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The number of the fill that it counted last by then: those up to it count no "
        "more.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["id"], condition=~Q(throttled=""), name="account_throttled")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=AccountKind.USER, user__isnull=False)
                | Q(~Q(kind=AccountKind.USER), user__isnull=True, balance=0),
                name="account_owner_matches_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=AccountKind.values), name="account_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(balance__gte=0), name="account_balance_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(throttled="") | Q(reducing=True), name="account_throttled_reduces"
            ),
            models.CheckConstraint(
                condition=Q(fills_before__gte=0), name="account_fills_not_negative"
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=~Q(kind=AccountKind.USER),
                name="account_one_of_each_system_kind",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user) if self.user_id else self.get_kind_display()

    @property
    def state(self) -> TradingState:
        return state_of(halted=self.suspended, reducing=self.reducing)


class SystemBalance(models.Model):
    """A checkpoint of a system account: its balance in USDT but for movements not yet folded in.

    There is one of the insurance fund and one of the bad debt, which are asked for all the time.
    The database alone changes it: every transfer of the account leaves a ``SystemMovement``, and
    deleting movements adds them up here, so that both together always are what the transfers say.
    """

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="system_balance"
    )
    balance = models.DecimalField(**AMOUNT_FIELD, default=0, editable=False)

    def __str__(self) -> str:
        return f"{self.account}: {plain(self.balance)}"


class SystemMovement(models.Model):
    """What one statement moved into a system account, negative out of it, in USDT."""

    system_balance = models.ForeignKey(
        SystemBalance, on_delete=models.PROTECT, related_name="movements", db_index=False
    )
    amount = models.DecimalField(**AMOUNT_FIELD)

    def __str__(self) -> str:
        return f"{self.system_balance_id}: {plain(self.amount)}"


class TransferKind(models.TextChoices):
    """Why money moved."""

    DEPOSIT = "deposit", "Deposit"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    ADJUSTMENT = "adjustment", "Staff adjustment"
    REALIZED_PNL = "realized_pnl", "Realised P&L"
    FEE = "fee", "Trading fee"
    LIQUIDATION_FEE = "liquidation_fee", "Liquidation fee"
    INSURANCE_COVER = "insurance_cover", "Insurance cover"
    BAD_DEBT = "bad_debt", "Bad debt"


class Transfer(models.Model):
    """One movement of a positive amount from a debit account to a credit account.

    Double entry by construction, append-only by trigger: a correction is another transfer.
    """

    kind = models.CharField(max_length=20, choices=TransferKind.choices)
    debit_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="debits", db_index=False
    )
    credit_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="credits", db_index=False
    )
    amount = models.DecimalField(**AMOUNT_FIELD)
    reference = models.CharField(
        max_length=60, blank=True, help_text="What caused it, as kind:number (order:17)."
    )
    reason = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "ledger"
        indexes = [
            models.Index(fields=["debit_account", "-id"], name="transfer_by_debit"),
            models.Index(fields=["credit_account", "-id"], name="transfer_by_credit"),
            models.Index(
                fields=["created_by"],
                condition=Q(created_by__isnull=False),
                name="transfer_by_creator",
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=are_numbers("amount"), name="transfer_is_a_number"),
            models.CheckConstraint(
                condition=~Q(debit_account=F("credit_account")), name="transfer_two_accounts"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=TransferKind.values), name="transfer_kind_known"
            ),
            models.CheckConstraint(
                condition=~Q(kind=TransferKind.ADJUSTMENT)
                | (~Q(reason="") & Q(created_by__isnull=False)),
                name="transfer_adjustment_is_explained",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {plain(self.amount)}"
