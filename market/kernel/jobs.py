"""Jobs for the workers, sent by processes that are none: the web server's and those of commands."""

from functools import cache
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from market.kernel.errors import ExchangeError


class WorkersAway(ExchangeError):
    """Redis, by which jobs reach the workers, does not answer."""

    status = 503
    code = "workers_away"
    detail = "Redis is unavailable, so that no worker can be asked; try again in a few seconds."


@cache
def sender() -> Celery:
    """Return what sends jobs: it knows the settings, and no task by more than its name."""
    app = Celery("sender", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    return app


def send_job(task: str, **arguments: Any) -> None:
    """Ask the workers of a task's queue to run it once. Raises WorkersAway."""
    try:
        sender().send_task(task, kwargs=arguments, retry=False)
    except OperationalError as error:
        raise WorkersAway from error


def forget_jobs() -> int:
    """Drop the jobs of all queues that no worker has begun, and return how many.

    Raises WorkersAway.
    """
    try:
        with sender().connection_for_write() as link:
            link.ensure_connection(max_retries=1, interval_start=0)
            channel: Any = link.default_channel
            return sum(channel.queue_purge(name) for name in queues())
    except OperationalError as error:
        raise WorkersAway from error


def queues() -> set[str]:
    """Return the names of the queues that workers take jobs from."""
    conf = sender().conf
    routed = {route["queue"] for route in conf.task_routes.values()}
    return {conf.task_default_queue, *routed}
