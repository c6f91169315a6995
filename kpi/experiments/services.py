"""Saves the state of the whole exchange, brings it back, and deletes what was saved.

A state is a copy of the database, made while nobody writes. It comes back as a copy of that copy,
which is verified first and then takes the database's place by its name, in one transaction: at no
moment is there half a state, and what was replaced is dropped last.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from redis.exceptions import RedisError

from accounts.keys import last_key_number, number_keys_after
from accounts.rate_limits import forget_counts
from kpi.audit.sealing import seal_records
from kpi.audit.verification import verify_audit
from kpi.errors import ExperimentRefused
from kpi.experiments.databases import Databases, maintained, working_on
from kpi.experiments.manifest import Manifest
from kpi.experiments.standstill import change_at_rest
from kpi.experiments.state import State, changes, present_state
from kpi.lab.inputs.sources import commit
from market.kernel.jobs import WorkersAway, forget_jobs
from risk.selectors import get_policy
from trading.history.ledger_check import ledger_differences
from trading.models import OPEN_STATUSES, Order, Venue

log = structlog.get_logger(__name__)

#: While orders were placed so shortly ago, somebody is trading.
QUIET: Final = timedelta(seconds=3)
#: Orders that are looked at for it, and differences that are told.
MOST_COUNTED: Final = 1_000
MOST_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back and replaced; ``seconds`` is how long nobody could trade."""

    manifest: Manifest
    before: State
    seconds: float
    jobs: int | None

    @property
    def changes(self) -> Sequence[str]:
        """What is different now, line by line."""
        return changes(self.before, self.manifest.state)


def list_experiments() -> list[Manifest]:
    """Return the manifests of all saved states, by name. Raises ExperimentRefused."""
    with maintained() as databases:
        return databases.manifests()


def save_experiment(*, name: str) -> Manifest:
    """Keep the present state of the exchange under a name that is free.

    Nobody can trade while it is copied. Raises ExperimentRefused, also where ledger or audit trail
    are not sound.
    """
    with maintained() as databases:
        saved, draft = databases.saved_name(name), databases.draft_name("saving")
        if databases.exists(saved):
            raise ExperimentRefused(f"There is an experiment {name!r} already: delete it first.")
        migrations = applied_migrations()
        must_be_current(migrations, "The database")
        databases.drop_drafts()
        change_at_rest(databases, lambda: databases.copy(databases.live, draft), check=lambda: None)
        with draft_dropped_on_error(databases, draft):
            with working_on(draft):
                seal_records()
                must_be_sound("Nothing was saved")
                state = present_state()
            manifest = Manifest(
                name=name,
                saved_at=datetime.now(UTC),
                commit=commit(),
                migrations=migrations,
                seed=settings.SIMULATION_SEED,
                size=databases.size(draft),
                state=state,
            )
            with databases.maintenance.transaction():
                databases.describe(draft, manifest)
                databases.rename(draft, saved)
    log.info("experiment_saved", name=name, audit_head=state.audit_head)
    return manifest


def restore_experiment(*, name: str) -> Restored:
    """Bring a saved state back in place of the present one, which is given up.

    Raises ExperimentRefused, and leaves everything as it was, where the saved state is not of this
    code or is not sound, and while somebody trades.
    """
    with maintained() as databases:
        manifest = databases.manifest(name)
        must_be_current(manifest.migrations, f"The experiment {name!r}", manifest.commit)
        saved = databases.saved_name(name)
        draft, replaced = databases.draft_name("restoring"), databases.draft_name("replaced")
        databases.drop_drafts()
        databases.copy(saved, draft)
        last_key = last_key_number()
        with draft_dropped_on_error(databases, draft):
            with working_on(draft):
                must_be_as_saved(manifest)
                must_be_sound("Nothing was changed")
                number_keys_after(last_key)
            manifest = manifest.restored(datetime.now(UTC))

            def swap() -> None:
                with databases.maintenance.transaction():
                    databases.rename(databases.live, replaced)
                    databases.rename(draft, databases.live)
                    databases.describe(saved, manifest)

            def check() -> None:
                nobody_may_trade()
                if last_key_number() != last_key:
                    raise ExperimentRefused("An API key was issued just now: try again.")

            seconds = change_at_rest(databases, swap, check=check)
        with working_on(replaced):
            seal_records()
            before = present_state()
        databases.drop(replaced)
    restored = Restored(manifest, before, seconds, forget_what_was_counted())
    log.warning(
        "experiment_restored",
        name=name,
        audit_head=manifest.state.audit_head,
        replaced_audit_head=before.audit_head,
        restores=manifest.restores,
    )
    return restored


def delete_experiment(*, name: str) -> None:
    """Delete a saved state. Raises ExperimentRefused where there is none."""
    with maintained() as databases:
        databases.manifest(name)
        databases.drop(databases.saved_name(name))
    log.info("experiment_deleted", name=name)


@contextmanager
def draft_dropped_on_error(databases: Databases, draft: str) -> Iterator[None]:
    """Leave no copy behind that did not become what it was made for."""
    try:
        yield
    except BaseException:
        databases.drop(draft)
        raise


def nobody_may_trade() -> None:
    """Refuse while orders come in or lie at a venue. Raises ExperimentRefused.

    Asked behind the locks that stop every writer, so that no order comes after the answer.
    """
    newest = Order.objects.order_by("-id")[:MOST_COUNTED].values_list("created_at", flat=True)
    recent = sum(datetime.now(UTC) - time < QUIET for time in newest)
    if recent and not get_policy().trading_halted:
        raise ExperimentRefused(
            f"Orders come in, {recent} in the last {QUIET.seconds} s, which a restore would lose: "
            "stop who trades, or halt trading in the console's risk policy, and try again."
        )
    at_venue = Order.objects.filter(status__in=OPEN_STATUSES, venue=Venue.BINANCE_TESTNET).count()
    if at_venue:
        raise ExperimentRefused(
            f"{at_venue} order(s) are open at the venue, where a restore would forget them: cancel "
            "them or wait for their end."
        )


def applied_migrations() -> list[str]:
    """Return the migrations of the connected database."""
    applied = MigrationLoader(connection).applied_migrations or ()
    return sorted(f"{app}.{name}" for app, name in applied)


def must_be_current(migrations: Sequence[str], what: str, saved_by: str = "") -> None:
    """Refuse a database that this code is not for. Raises ExperimentRefused."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(connection).disk_migrations}
    differing = sorted(known.symmetric_difference(migrations))
    if not differing:
        return
    reason = f"{what} and this code differ by {len(differing)} migration(s), {differing[0]} first: "
    if saved_by:
        raise ExperimentRefused(
            f"{reason}restore it with the code that saved it ({saved_by}), then run `manage.py "
            "migrate` with this one and save it under another name."
        )
    raise ExperimentRefused(f"{reason}run `manage.py migrate`.")


def must_be_as_saved(manifest: Manifest) -> None:
    """Hold the connected copy against its manifest. Raises ExperimentRefused."""
    if altered := changes(manifest.state, present_state()):
        raise ExperimentRefused(
            f"The experiment {manifest.name!r} was altered after it was saved, so that nothing was "
            f"changed: {'; '.join(altered[:MOST_TOLD])}."
        )


def must_be_sound(otherwise: str) -> None:
    """Check ledger and audit trail of the connected database. Raises ExperimentRefused."""
    books, trail = ledger_differences(), verify_audit()
    found = [*(one.what for one in books), *map(str, trail.differences)]
    if found:
        raise ExperimentRefused(
            f"{otherwise}: the ledger has {len(books)} difference(s), the audit trail "
            f"{trail.count}: {'; '.join(found[:MOST_TOLD])}."
        )


def forget_what_was_counted() -> int | None:
    """Let neither counts of requests nor waiting jobs of the replaced state meet the restored one.

    They name keys and rows by numbers that others may have now. Returns how many jobs were
    dropped; None where Redis is away, which keeps counts for a minute and jobs for their time.
    """
    try:
        forget_counts()
        return forget_jobs()
    except (RedisError, WorkersAway) as error:
        log.warning("experiment_counts_kept", reason=str(error))
        return None
