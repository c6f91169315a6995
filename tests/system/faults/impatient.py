"""The exchange's Celery application with a visibility timeout that a held-up sweep outlasts.

Names each task that it runs although another process may be running it, too.
"""

from typing import Any

from celery import Task
from celery.signals import task_prerun

from exchange_poc.celery import app

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "visibility_timeout": 0.5,
    "unacked_restore_interval": 0.5,
    "unacked_restore_throttle": 1,
}


@task_prerun.connect
def name_redelivered(task_id: str, task: Task, **_: Any) -> None:
    if task.request.delivery_info.get("redelivered"):
        print(f"redelivered {task_id}", flush=True)
