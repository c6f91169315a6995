"""Celery tasks: each is one call of a service and harmless to repeat."""

from typing import Final

from celery import shared_task
from django.conf import settings

from risk import bounds
from trading.liquidation import sweep
from trading.steps import step
from trading.venues import reconciliation

#: Seconds that a market step keeps a child of the worker waiting at most.
LONGEST_WAIT: Final = 1.0


@shared_task
def run_market_step() -> None:
    """Run a market step, half an interval after the last one at the earliest.

    It waits a little for its turn, so that neither a late step nor one of one instrument costs the
    market the next one.
    """
    half = settings.TICK_INTERVAL_SECONDS / 2
    patience = min(half, LONGEST_WAIT)
    step.run_market_step(min_interval_seconds=half, patience_seconds=patience)


@shared_task
def sweep_liquidations() -> None:
    """Close out accounts that came into breach by other ways than a market step.

    With SWEEP_SHARDS above 1 the accounts are shared out among that many tasks.
    """
    if settings.SWEEP_SHARDS == 1:
        sweep.sweep_liquidations()
        return
    for shard in range(settings.SWEEP_SHARDS):
        sweep_shard.delay(shard, settings.SWEEP_SHARDS)


@shared_task
def sweep_shard(shard: int, shards: int) -> None:
    """Close out the accounts in breach of one shard."""
    sweep.sweep_liquidations(shard=shard, shards=shards)


@shared_task
def renew_bounds() -> None:
    """Work out again how far marks may move before accounts that traded need a look."""
    bounds.renew_bounds()


@shared_task
def reconcile_venue_orders() -> None:
    """Settle orders whose fate at the venue is unknown."""
    reconciliation.reconcile_pending_orders()
