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
