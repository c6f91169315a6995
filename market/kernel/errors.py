"""The one error base of the exchange: every refused call is an ExchangeError with a code."""

from collections.abc import Mapping
from typing import Any, ClassVar


class ExchangeError(Exception):
    """A call that the exchange refuses.

    ``code`` is the machine-readable reason, ``detail`` says what is wrong and what to do next,
    ``context`` holds JSON-ready facts that go out beside them. ``status`` is the HTTP status
    that the API answers with, ``headers`` go along; one exception handler turns all of this into
    a response.
    """

    status = 400
    code = "error"
    detail = "The request was refused."
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str = "", *, code: str = "", **context: Any) -> None:
        self.detail = detail or self.detail
        self.code = code or self.code
        self.context = context
        super().__init__(f"{self.code}: {self.detail}")

    @property
    def body(self) -> dict[str, Any]:
        """What goes out as JSON."""
        return {"detail": self.detail, "code": self.code, **self.context}


class NotFound(ExchangeError):
    """What was asked for does not exist."""

    status = 404
    code = "not_found"
    detail = "There is nothing at this address."


class Forbidden(ExchangeError):
    """The data belongs to somebody else."""

    status = 403
    code = "permission_denied"
    detail = "This belongs to another user."


class Conflict(ExchangeError):
    """The call contradicts an earlier one."""

    status = 409
    code = "conflict"


class InvalidRequest(ExchangeError):
    """The request does not have the shape that the endpoint reads."""

    code = "validation_error"
    detail = "The request is not valid; see errors."

    def __init__(self, errors: Any, detail: str = "") -> None:
        named = errors if isinstance(errors, dict) else {"non_field_errors": errors}
        super().__init__(detail, errors=named)


class Unknown(InvalidRequest):
    """The request says something that the endpoint does not read; a hint for each name."""

    what: ClassVar[str]

    def __init__(self, hints: Mapping[str, str]) -> None:
        told = " ".join(f"Unknown {self.what} {name}. {hint}" for name, hint in hints.items())
        super().__init__({name: [hint] for name, hint in hints.items()}, told)


class UnknownField(Unknown):
    """A field of the body."""

    code = "unknown_field"
    what = "field"
    detail = "Unknown field reduceOnly. Did you mean reduce_only?"


class UnknownParameter(Unknown):
    """A parameter of the query."""

    code = "unknown_parameter"
    what = "parameter"
    detail = "Unknown parameter symbl. Did you mean symbol?"


class InvalidCursor(ExchangeError):
    """The cursor is not one that a list handed out."""

    code = "invalid_cursor"
    detail = "This cursor leads nowhere; start again without one."


class UnknownCharset(ExchangeError):
    status = 415
    code = "unsupported_media_type"
    detail = "Send text in UTF-8."


class LengthRequired(ExchangeError):
    status = 411
    code = "length_required"
    detail = "Send the body with a Content-Length."


class NullCharacter(ExchangeError):
    code = "bad_request"
    detail = "The query holds a null character."


class BodyTooLarge(ExchangeError):
    """The body is longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes."""

    status = 413
    code = "body_too_large"
    detail = "The body is too large."


class StaleVersion(Conflict):
    code = "stale_version"
    detail = "Somebody changed this after you opened it. Load it anew, then decide."


class ReasonRequired(ExchangeError):
    code = "reason_required"
    detail = "State a reason: it is kept with the change, for good."


class ReasonTooLong(ExchangeError):
    code = "reason_too_long"


class DatabaseUnavailable(ExchangeError):
    """There is no connection to the database."""

    status = 503
    code = "database_unavailable"
    detail = "The database is unavailable; try again in a few seconds."
    headers: Mapping[str, str] = {"Retry-After": "2"}


class DatabaseBusy(ExchangeError):
    """Others hold what the call needs for longer than it may wait."""

    status = 503
    code = "database_busy"
    detail = "Others were changing the same data for too long; nothing was done, try again."
    headers: Mapping[str, str] = {"Retry-After": "1"}


class DatabaseTimeout(ExchangeError):
    """A statement was ended because it took too long."""

    status = 503
    code = "database_timeout"
    detail = "The database took too long; nothing was done, try again."
    headers: Mapping[str, str] = {"Retry-After": "2"}
