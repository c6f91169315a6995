"""Refusals of the kpi app."""

from market.kernel.errors import Conflict, ExchangeError


class UnknownMeasure(ExchangeError):
    code = "unknown_measure"
    detail = "There is no such measure; choose one of those that are listed."


class NotLoggedIn(ExchangeError):
    status = 403
    code = "not_logged_in"
    detail = "Log in to the console again."


class UnknownWindow(ExchangeError):
    """A chart has no such window."""

    code = "unknown_window"


class UnknownBars(ExchangeError):
    """A chart has no such bars."""

    code = "unknown_bars"


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


class DayNotBegun(ExchangeError):
    code = "day_not_begun"
    detail = "This day has not begun yet; days are in UTC."


class TrailNotSealed(ExchangeError):
    status = 503
    code = "trail_not_sealed"

    def __init__(self, sealed: int) -> None:
        super().__init__(
            f"More audit records wait for their seals, after {sealed:,} were sealed now. Export "
            "again, which seals the next."
        )


class PeriodNotClosed(ExchangeError):
    code = "period_not_closed"
    detail = "The last day of this period is not over yet; days are in UTC, and end minutes later."


class BundleRefused(ExchangeError):
    """The file is no bundle that could be checked; says why."""

    code = "bundle_refused"


class BundleTooLarge(ExchangeError):
    status = 413
    code = "bundle_too_large"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"The day takes more than {most_bytes // 1_000_000} MB. Export it by the command: "
            "manage.py export_day."
        )


class BundleTooSlow(ExchangeError):
    status = 503
    code = "bundle_too_slow"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The day takes longer than {seconds:g} s. Export it by the command: "
            "manage.py export_day."
        )


class BundleThere(Conflict):
    code = "bundle_there"
