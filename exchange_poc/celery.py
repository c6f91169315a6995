"""The Celery application and its beat schedule: steps, sweeps, reconciliation, heartbeats."""

import os
from typing import Any, Final

from celery import Celery, Task
from celery.signals import setup_logging, task_postrun, worker_process_shutdown

from exchange_poc.schedules import AtOffset

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
# Celery would load the whole console for Django's checks, and pass over what they say.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("exchange_poc")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


#: Whatever else is turned off: accounts that trade wait for it in a list that every step reads.
BOUNDS_INTERVAL_SECONDS: Final = 5.0
#: Checks that read much fall due at other moments: which share of its interval each waits.
OFFSETS: Final = {"kpi.tasks.check_ledger": 0.0, "kpi.tasks.check_audit": 0.5}


def periodic(task: str, seconds: float) -> dict[str, Any]:
    """Return a beat entry; a run that could not start before the next one is due is dropped."""
    schedule = AtOffset(seconds, OFFSETS[task] * seconds) if task in OFFSETS else seconds
    return {"task": task, "schedule": schedule, "options": {"expires": max(seconds, 1.0)}}


@app.on_after_configure.connect
def schedule_beat(sender: Celery, **_: Any) -> None:
    """Fill the beat schedule from the settings; an interval of 0 leaves its task out."""
    from django.conf import settings

    intervals = {
        "trading.tasks.run_market_step": settings.TICK_INTERVAL_SECONDS,
        "trading.tasks.sweep_liquidations": settings.SWEEP_INTERVAL_SECONDS,
        "trading.tasks.renew_bounds": BOUNDS_INTERVAL_SECONDS,
        "trading.tasks.reconcile_venue_orders": 15.0,
        "kpi.tasks.beat_heart": settings.HEARTBEAT_INTERVAL_SECONDS,
        "kpi.tasks.take_snapshot": settings.KPI_SNAPSHOT_INTERVAL_SECONDS,
        "kpi.tasks.forget_old": 300.0,
        "kpi.tasks.forget_events": 30.0,
        "kpi.tasks.count_tiers": 60.0,
        "kpi.tasks.evaluate_alerts": settings.KPI_SNAPSHOT_INTERVAL_SECONDS,
        "kpi.tasks.deliver_due_alerts": 15.0 if settings.ALERT_WEBHOOK_URL else 0.0,
        "kpi.tasks.check_ledger": settings.LEDGER_CHECK_INTERVAL_SECONDS,
        "kpi.tasks.seal_audit": 3.0,
        "kpi.tasks.check_audit": settings.AUDIT_CHECK_INTERVAL_SECONDS,
    }
    sender.conf.beat_schedule = {
        task: periodic(task, seconds) for task, seconds in intervals.items() if seconds > 0
    }


@setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Keep the JSON logs of the settings instead of Celery's own."""
    from logging.config import dictConfig

    from django.conf import settings

    dictConfig(settings.LOGGING)


@task_postrun.connect
def give_connection_back(sender: Task, **_: Any) -> None:
    """Put a task's connection back into the pool, which hands out those that live.

    Celery would close the whole pool around each task (CELERY_DB_REUSE_MAX keeps it from that).
    """
    from django.db import connection

    if not sender.request.is_eager:
        connection.close()


@worker_process_shutdown.connect
def forget_gauges(pid: int, **_: Any) -> None:
    """Drop a dead process's live gauges from the shared metrics directory."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
