"""Tells what a failed statement means to the caller, and the log why it failed."""

from typing import Final

import psycopg
import structlog
from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from market.kernel.errors import DatabaseBusy, DatabaseTimeout, DatabaseUnavailable, ExchangeError

log = structlog.get_logger(__name__)

#: SQLSTATEs of a connection that is lost or was not had, besides those of class 08.
LOST: Final = {
    "25P03",  # idle_in_transaction_session_timeout
    "53300",  # too_many_connections
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P05",  # idle_session_timeout
}
#: SQLSTATEs of a wait for others that ended.
BUSY: Final = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
}
QUERY_CANCELED: Final = "57014"


def refusal_of(error: Exception) -> ExchangeError | None:
    """Return the answer to a failure of the database, logged; None for what is a fault of ours."""
    refusal, cause = meaning_of(state_of(error)) if is_failure(error) else None, cause_of(error)
    if refusal is not None:
        log.error(
            "database_failed",
            code=refusal.code,
            cause=type(cause).__name__,
            sqlstate=state_of(error),
            error=str(cause).strip(),
        )
    return refusal


def is_lost(error: Exception) -> bool:
    """Tell whether an error says that the connection was lost or not had."""
    return is_failure(error) and isinstance(meaning_of(state_of(error)), DatabaseUnavailable)


def is_failure(error: Exception) -> bool:
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout)


def cause_of(error: Exception) -> BaseException:
    return error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error


def state_of(error: Exception) -> str | None:
    return getattr(cause_of(error), "sqlstate", None)


def meaning_of(state: str | None) -> ExchangeError | None:
    """Return what an SQLSTATE means to a caller; a lost connection often leaves none."""
    if state is None or state.startswith("08") or state in LOST:
        return DatabaseUnavailable()
    if state in BUSY:
        return DatabaseBusy()
    return DatabaseTimeout() if state == QUERY_CANCELED else None
