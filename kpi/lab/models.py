"""Studies of the policy lab and their cells. A finished cell never changes, by trigger."""

from django.db import models
from django.db.models import Q

from accounts.models import User

#: SHA-256 as text.
IS_DIGEST = "^[0-9a-f]{64}$"


class LabStudy(models.Model):
    """A question put to the lab: which policies, on which prices, with whom.

    ``canonical`` is all that determines it, as text, and ``digest`` the hash of that. ``source``
    is the file as it was written, ``tapes`` where the candles lie. ``policies`` are its policies
    in order: name, canonical text, digest, and every how many steps the exchange looks.
    """

    name = models.CharField(max_length=200)
    question = models.TextField(blank=True)
    digest = models.CharField(max_length=64, unique=True)
    canonical = models.TextField()
    source = models.TextField(blank=True)
    path = models.TextField(blank=True, help_text="Where the study's file lay.")
    tapes = models.JSONField(
        default=dict, blank=True, help_text="Files of candles by symbol that outweigh the study's."
    )
    baseline = models.CharField(max_length=200, help_text="The policy that others are held to.")
    policies = models.JSONField(default=list)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    manifest = models.JSONField(
        null=True, blank=True, help_text="What is needed to repeat it; once every cell is done."
    )
    comparison = models.JSONField(
        null=True, blank=True, help_text="The answer, from the cells that were done."
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "study"
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(
                condition=Q(digest__regex=IS_DIGEST), name="lab_study_has_a_digest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:12]})"


class CellState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class LabCell(models.Model):
    """One policy on one tape with one population; ``key`` hashes all that determines the result.

    So one row is cache and resume at once, whatever studies have the cell. A running one is
    ``claimed_by`` a process; a claim that is too old is anybody's (``kpi.lab.services``).
    """

    key = models.CharField(max_length=64, unique=True)
    policy = models.CharField(max_length=200)
    seed = models.BigIntegerField()
    variant = models.CharField(max_length=200)
    state = models.CharField(
        max_length=10, choices=CellState.choices, default=CellState.QUEUED, db_index=True
    )
    metrics = models.JSONField(null=True, blank=True, help_text="Exact decimals as text.")
    series = models.JSONField(null=True, blank=True, help_text="What the charts are drawn from.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of metrics and series.")
    cpu_seconds = models.FloatField(null=True, blank=True)
    error = models.TextField(blank=True)
    claimed_by = models.CharField(max_length=200, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "cell"
        constraints = [
            models.CheckConstraint(condition=Q(key__regex=IS_DIGEST), name="lab_cell_has_a_key"),
            models.CheckConstraint(
                condition=Q(state__in=CellState.values), name="lab_cell_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state=CellState.DONE)
                | Q(
                    metrics__isnull=False,
                    digest__regex=IS_DIGEST,
                    finished_at__isnull=False,
                    error="",
                ),
                name="lab_cell_done_with_a_result",
            ),
            models.CheckConstraint(
                condition=~Q(state=CellState.RUNNING) | Q(claimed_at__isnull=False),
                name="lab_cell_run_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy}, seed {self.seed}, {self.variant}"


class LabStudyCell(models.Model):
    """Where a cell stands in a study; another study may call its policy otherwise."""

    study = models.ForeignKey(
        LabStudy, on_delete=models.PROTECT, related_name="places", db_index=False
    )
    cell = models.ForeignKey(LabCell, on_delete=models.PROTECT, related_name="places")
    policy = models.CharField(max_length=200)
    seed = models.BigIntegerField()
    variant = models.CharField(max_length=200)
    ordinal = models.PositiveIntegerField(help_text="Its place in the order of computing.")

    class Meta:
        ordering = ["study", "ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "policy", "seed", "variant"], name="lab_study_cell_once"
            )
        ]
        indexes = [models.Index(fields=["study", "ordinal"], name="lab_study_cell_in_order")]

    def __str__(self) -> str:
        return f"{self.policy}, seed {self.seed}, {self.variant}"
