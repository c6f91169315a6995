"""Refusals of the kpi app."""

from market.kernel.errors import ExchangeError


class UnknownMeasure(ExchangeError):
    code = "unknown_measure"
    detail = "There is no such measure; choose one of those that are listed."


class AlreadyAcknowledged(ExchangeError):
    code = "already_acknowledged"
    detail = "Somebody has acknowledged this alert already."


class AuditBroken(ExchangeError):
    """The trail is not what it was."""

    code = "audit_broken"


class ExperimentRefused(ExchangeError):
    """A state cannot be saved, brought back or deleted; says why and what to do."""

    code = "experiment_refused"


class InvalidLastEventId(ExchangeError):
    code = "invalid_last_event_id"
    detail = "This Last-Event-ID is none that a stream has sent; connect without one."


class InvalidTicket(ExchangeError):
    """A ticket is good for a minute, and for what it was asked for."""

    status = 401
    code = "invalid_ticket"
    detail = "This ticket is not valid, or no longer; ask the exchange's own address again."


class TooManyStreams(ExchangeError):
    status = 429
    code = "too_many_streams"
    headers = {"Retry-After": "5"}

    def __init__(self, most: int) -> None:
        super().__init__(f"At most {most} streams are open at once for a key; close one.")


class StreamsFull(ExchangeError):
    status = 503
    code = "streams_full"
    detail = "The stream server has as many streams as it takes; try again later."
    headers = {"Retry-After": "10"}
