"""The one place that turns an error into a response: ``{"detail", "code", ...context}``."""

import sys
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.log import log_response
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from market.kernel.api.database_errors import refusal_of
from market.kernel.errors import ExchangeError, InvalidRequest, NotFound


def answer_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response for ``error``, or None for what is a fault of ours (a 500)."""
    refusal = error if isinstance(error, ExchangeError) else refusal_of(error)
    if refusal is not None:
        return Response(refusal.body, status=refusal.status, headers=dict(refusal.headers))
    if isinstance(error, Http404):
        error = exceptions.NotFound(NotFound.detail)
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is not None and isinstance(error, exceptions.APIException):
        response.data = error_body(error)
    return response


def error_body(error: exceptions.APIException) -> dict[str, Any]:
    """Return the body for an error of REST framework."""
    if isinstance(error, exceptions.ValidationError):
        return InvalidRequest(error.detail).body
    return {"detail": error_text(error), "code": error_code(error)}


def error_text(error: exceptions.APIException) -> str:
    """Return the sentence of an error; SimpleJWT wraps its own in a dictionary."""
    return str(error.detail["detail"] if isinstance(error.detail, dict) else error.detail)


def error_code(error: exceptions.APIException) -> str:
    """Return the code on the wire; SimpleJWT keeps its own beside the sentence."""
    if isinstance(error.detail, dict):
        return str(error.detail["code"])
    return str(error.get_codes())


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request that Django itself refuses, such as one for an unknown host."""
    return JsonResponse(
        {"detail": "The request was not understood.", "code": "bad_request"}, status=400
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path in JSON, like every other error; in the console with a page."""
    if request.path.startswith(reverse("admin:index")):
        context = {**admin.site.each_context(request), "title": "Not found"}
        return render(request, "admin/404.html", context, status=404)
    return JsonResponse({"detail": NotFound.detail, "code": NotFound.code}, status=404)


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer a fault of ours; the log has the traceback under the request's id.

    Outside the API, in the console, a failure of the database ends here as well.
    """
    error = sys.exc_info()[1]
    refusal = refusal_of(error) if isinstance(error, Exception) else None
    if refusal is not None:
        response = JsonResponse(refusal.body, status=refusal.status, headers=dict(refusal.headers))
    else:
        body = {"detail": "An internal error was logged.", "code": "server_error"}
        response = JsonResponse(body, status=500)
    # Django logs what a view raised, once, but not what the page of another error did.
    said = response.reason_phrase, request.path
    log_response("%s: %s", *said, response=response, request=request, exception=error)
    return response
