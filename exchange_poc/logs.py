"""Structured logs: one JSON object per line on standard error."""

import logging
from typing import Any, Final

import structlog

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]

#: One list, whoever configures again: a logger keeps the one that it was first used with.
PROCESSORS: Final = [
    *SHARED_PROCESSORS,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
RENDERER: Final = structlog.processors.JSONRenderer()


def configure_structlog() -> None:
    """Send structlog through the standard library, so that both end in the same JSON lines.

    No line tells thread, process or caller: the standard library is told not to look for them.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # documented, for want of a setting
    structlog.configure(
        processors=PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


class JsonLine(structlog.stdlib.ProcessorFormatter):
    """Writes structlog's events as they are; only what others log needs to be made an event."""

    def format(self, record: logging.LogRecord) -> str:
        if "_logger" in vars(record):  # one of structlog's
            return str(RENDERER(None, record.levelname, record.msg))  # type: ignore[arg-type]
        return super().format(record)


class HasTraceback(logging.Filter):
    """Passes what carries an exception; the status of a request has a line of its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


def logging_config() -> dict[str, Any]:
    """Return the ``LOGGING`` setting: JSON lines for all, of Django's request log tracebacks."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": JsonLine,
                "processor": RENDERER,
                "foreign_pre_chain": SHARED_PROCESSORS,
            }
        },
        "filters": {"has_traceback": {"()": HasTraceback}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django.request": {"filters": ["has_traceback"]},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }
