"""The documented error answers: an HTTP status with ``{"code", "msg"}``."""

from collections.abc import Mapping


class ApiError(Exception):
    """An error answer."""

    def __init__(
        self, code: int, msg: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, msg)
        self.code, self.msg, self.status, self.headers = code, msg, status, dict(headers or {})


def mandatory(name: str) -> ApiError:
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def illegal_characters(name: str, legal: str) -> ApiError:
    return ApiError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def bad_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def new_order_rejected(msg: str) -> ApiError:
    return ApiError(-2010, msg)
