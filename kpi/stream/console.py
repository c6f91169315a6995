"""The way from the console's pages to a stream: the session is asked, in place of a token."""

import time

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.access import caller
from kpi.stream.api import redirect_to_stream, ticket_for
from kpi.stream.frames import CHANNELS
from kpi.stream.subscriptions import STREAM_QUERY, cursor_asked, scope_for
from market.kernel.api.exceptions import answer_exception


@never_cache
@require_GET
def stream_ticket(request: HttpRequest) -> HttpResponse:
    """Lead whoever may enter the console to the stream server; 403 to all others.

    Its stream lasts as long as a token: then the browser comes back here, and the session is asked
    again.
    """
    if not admin.site.has_permission(request):
        detail = "Log in to the console again."
        return JsonResponse({"detail": detail, "code": "not_logged_in"}, status=403)
    try:
        query = {"channels": CHANNELS} | STREAM_QUERY.run_validation(request.GET)
        cursor, user = cursor_asked(request, query), caller(request)
        scope_for(user, channels=query["channels"], whose=query.get("user_id"))
    except Exception as error:
        refusal = answer_exception(error, {})
        if refusal is None:
            raise
        return JsonResponse(refusal.data, status=refusal.status_code)
    until = time.time() + settings.ACCESS_TOKEN_LIFETIME.total_seconds()
    ticket = ticket_for(request, user, query, key_id=None, until=until)
    return redirect_to_stream(request, ticket, cursor=cursor)
