"""Observes every request: an id, one log line, the request metrics. Never fails a request."""

import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse

from accounts.addresses import client_address
from accounts.metrics import auth_failures_total, rate_limit_hits_total
from kpi.requests.metrics import (
    UNMATCHED,
    answers_of,
    api_error_total,
    counting_since,
    latency_of,
)
from market.kernel.api.endpoints import template_of

log = structlog.get_logger(__name__)

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
#: Labels of the methods that routes serve; each pair of method and endpoint is a histogram.
METHOD_LABELS: Final = {"GET": "GET", "HEAD": "GET", "POST": "POST"}
OTHER: Final = "OTHER"
CONSOLE: Final = "/admin/"
#: The staff console's pages are hundreds: they share one label, which the log line tells apart.
CONSOLE_LABEL: Final = f"{CONSOLE}{{path}}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a request was and how it was answered, as labels from small sets."""

    method: str
    endpoint: str
    status: int
    seconds: float


class RequestObserverMiddleware:
    """Stands outermost, so that what the other middleware answers is observed as well."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        counting_since()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = choose_request_id(request.META.get("HTTP_X_REQUEST_ID", ""))
        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            started = time.perf_counter()
            response = self.get_response(request)
            seconds = time.perf_counter() - started
            with suppress(Exception):
                observe(request, response, seconds)
        response["X-Request-ID"] = request_id
        return response


def choose_request_id(asked: str) -> str:
    """Return the client's id if it is short and plain, else a random one."""
    return asked if REQUEST_ID.fullmatch(asked) else str(uuid.uuid4())


def observe(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Log a request and count it; what goes wrong with the counting goes into the log."""
    endpoint = endpoint_of(request)
    observation = Observation(
        method=METHOD_LABELS.get(request.method or "", OTHER),
        endpoint=CONSOLE_LABEL if endpoint.startswith(CONSOLE) else endpoint,
        status=response.status_code,
        seconds=seconds,
    )
    try:
        count(observation)
        count_refusal(response)
    except Exception as error:
        log.warning("metrics_failed", error=repr(error))
    log.info(
        "request",
        method=request.method if request.method in METHODS else OTHER,
        endpoint=endpoint,
        status=observation.status,
        latency_ms=round(seconds * 1000, 3),
        address=client_address(request),
        user_id=user_id_of(request),
        key_id=key_id_of(request),
    )


def endpoint_of(request: HttpRequest) -> str:
    """Return the template of the route, such as ``/orders/{order_id}``."""
    if request.resolver_match is not None:
        return template_of(request.resolver_match.route)
    static = request.path_info.startswith(settings.STATIC_URL)
    return f"{settings.STATIC_URL}{{path}}" if static else UNMATCHED


def user_id_of(request: HttpRequest) -> int | None:
    """Return the user of the token or of the console's session, without a query for it."""
    user_id: int | None = getattr(request, "api_user_id", None)
    session: Any = getattr(request, "session", None)
    if user_id is None and session is not None and session.accessed:
        user_id = int(session[SESSION_KEY]) if SESSION_KEY in session else None
    return user_id


def key_id_of(request: HttpRequest) -> int | None:
    """Return the API key that the token names; REST framework leaves the token on the request.

    Of a call that the key's terms refuse there is no token left, but the key is noted.
    """
    token = getattr(request, "auth", None)
    return token.get("key_id") if token else getattr(request, "api_key_id", None)


def count(observation: Observation) -> None:
    """Add one request to the request metrics."""
    method, endpoint, status = observation.method, observation.endpoint, str(observation.status)
    latency_of(method, endpoint).observe(observation.seconds)
    answers_of(method, endpoint, status).inc()
    if observation.status >= 400:
        api_error_total.labels(endpoint=endpoint, status=status).inc()


def count_refusal(response: HttpResponse) -> None:
    """Count a refused credential by its code, a reached rate limit by its scope."""
    body = getattr(response, "data", None) or {}
    if response.status_code == 401:
        auth_failures_total.labels(code=body.get("code", "unknown")).inc()
    elif response.status_code == 429:
        rate_limit_hits_total.labels(scope=body.get("scope", "other")).inc()
