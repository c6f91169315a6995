"""Tells whether the parts of the exchange are there: database, cache, worker."""

from dataclasses import dataclass

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import TextChoices
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from kpi.health.heartbeats import is_worker_alive


class PartStatus(TextChoices):
    OK = "ok"
    UNAVAILABLE = "unavailable"


class HealthStatus(TextChoices):
    """Without its database the exchange is unavailable, without another part degraded."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Health:
    """Which parts are there. A worker counts as away before its first heartbeat."""

    database: PartStatus
    cache: PartStatus
    worker: PartStatus

    @property
    def version(self) -> str:
        """Which version answers."""
        return str(settings.VERSION)

    @property
    def status(self) -> HealthStatus:
        if self.database != PartStatus.OK:
            return HealthStatus.UNAVAILABLE
        is_whole = self.cache == self.worker == PartStatus.OK
        return HealthStatus.OK if is_whole else HealthStatus.DEGRADED


def check_health() -> Health:
    """Ask every part for a sign of life; takes as long as their timeouts at worst."""
    has_database = can_reach_database()
    return Health(
        database=status_of(has_database),
        cache=status_of(can_reach_cache()),
        worker=status_of(has_database and is_worker_alive()),
    )


def status_of(is_there: bool) -> PartStatus:
    return PartStatus.OK if is_there else PartStatus.UNAVAILABLE


def can_reach_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def can_reach_cache() -> bool:
    try:
        return bool(get_redis_connection("default").ping())
    except (RedisError, OSError):
        return False
