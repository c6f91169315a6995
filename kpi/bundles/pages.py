"""The console's page of days: each can be taken along as one file, by those who may see it all."""

import tempfile
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import Transfer
from kpi.audit.models import AuditRecord
from kpi.bundles.day import Day
from kpi.bundles.export import Bounds, export_day
from kpi.bundles.tables import TABLES
from kpi.bundles.writing import file_name
from kpi.retention import largest_tables
from market.kernel.console.actions import note_on_list
from market.kernel.errors import ExchangeError
from market.kernel.turns import Turn, only_one

#: What a request may take; a larger day is for the command.
BOUNDS: Final = Bounds(seconds=30, most_bytes=100_000_000)
#: Days that the page lists, the newest; any other is asked for by its date.
LISTED: Final = 31
LARGEST: Final = 12
BUSY: Final = "Another day is being exported; try again when that is done."


def sees_everything(request: HttpRequest) -> bool:
    """Tell whether a user may see each model that a bundle tells of."""
    models = {model for table in TABLES for model in table.models} | {AuditRecord}
    named = (f"{model._meta.app_label}.view_{model._meta.model_name}" for model in models)
    return bool(request.user.has_perms(list(named)))


def must_see_everything(request: HttpRequest) -> None:
    """Let those in who may see all of it. Raises PermissionDenied."""
    if not sees_everything(request):
        raise PermissionDenied


@never_cache
@require_GET
def show_days(request: HttpRequest) -> HttpResponse:
    """List the days since the first transfer."""
    must_see_everything(request)
    now = timezone.now()
    days = listed_days(Day.of(now))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Days",
        "days": [(day, day.is_over(now)) for day in days],
        "tables": TABLES,
        "today": Day.of(now),
        "sizes": largest_tables(most=LARGEST),
    }
    return TemplateResponse(request, "admin/days.html", context)


def listed_days(today: Day) -> list[Day]:
    """Return the last days with anything in them, the newest first."""
    first = Transfer.objects.order_by("id").values_list("created_at", flat=True).first()
    if first is None:
        return []
    count = min((today.date - Day.of(first).date).days + 1, LISTED)
    return [Day(today.date - timedelta(days=number)) for number in range(count)]


@never_cache
@require_GET
def day_file(request: HttpRequest) -> HttpResponse:
    """Send the bundle of ``?day=``, one at a time, or say on the page of days why not."""
    must_see_everything(request)
    day = asked_day(request)
    with only_one(Turn.EXPORT_DAY) as is_only:
        if not is_only:
            return refused(request, BUSY)
        return exported(request, day)


def asked_day(request: HttpRequest) -> Day:
    """Return the day that is asked for. Raises BadRequest."""
    try:
        if asked := parse_date(request.GET.get("day", "")):
            return Day(asked)
    except ValueError:
        pass
    raise BadRequest("Ask for a day such as ?day=2026-01-31.")


def exported(request: HttpRequest, day: Day) -> HttpResponse:
    """Write a bundle into a file without a name, which goes when it is sent."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        bundle = export_day(day=day, to=file, bounds=BOUNDS)
    except ExchangeError as error:
        file.close()
        return refused(request, error.detail)
    except BaseException:
        file.close()
        raise
    note_on_list(
        admin.site.get_model_admin(AuditRecord),
        request,
        f"Exported the day {day}, seal {bundle.seal}.",
    )
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=file_name(day))  # type: ignore[return-value]


def refused(request: HttpRequest, why: str) -> HttpResponse:
    messages.error(request, why)
    return HttpResponseRedirect(reverse("days"))
