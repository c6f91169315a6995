"""One search for the whole console: its pages, users, orders and what the policies say."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.views.decorators.http import require_GET

from accounts.models import AccountPolicy, RateLimit, User
from market.kernel.console.history import shown
from market.kernel.endless import KeysFirst
from market.models import Instrument
from risk.models import LeverageLimit, RiskPolicy
from trading.models import Order

MOST_FOUND: Final = 8
LONGEST_TERM: Final = 200
#: Lists that are searched as their own pages search them.
LISTS: Final[tuple[type[Model], ...]] = (User, Order, Instrument)
POLICIES: Final[tuple[type[Model], ...]] = (
    RiskPolicy,
    LeverageLimit,
    AccountPolicy,
    RateLimit,
)


class Found(NamedTuple):
    """Something that was found, with its page."""

    name: str
    text: str
    href: str


class Results(NamedTuple):
    """What was found of one kind; ``more`` is the list that holds all of it."""

    title: str
    found: Sequence[Found]
    more: str = ""


@admin.site.admin_view
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Show what ``?q=`` finds, of what the user may view."""
    term = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_TERM]
    context = {**admin.site.each_context(request), "title": "Search", "term": term}
    results = results_of(request, term, context["sidebar_navigation"]) if term else []
    context["results"] = [one for one in results if one.found]
    return TemplateResponse(request, "admin/search.html", context)


def results_of(
    request: HttpRequest, term: str, sidebar: Sequence[dict[str, Any]]
) -> Iterable[Results]:
    """Yield what is found of each kind."""
    yield Results("Pages", pages(term, sidebar))
    yield Results("Policy", policies(request, term))
    for model in LISTS:
        yield rows(request, model, term)


def pages(term: str, sidebar: Sequence[dict[str, Any]]) -> list[Found]:
    """Return the pages of the sidebar whose name has the term in it."""
    items = [(section.get("title", ""), item) for section in sidebar for item in section["items"]]
    return [
        Found(str(item["title"]), str(section or ""), str(item["link"]))
        for section, item in items
        if term.lower() in str(item["title"]).lower() and item.get("has_permission", True)
    ][:MOST_FOUND]


def rows(request: HttpRequest, model: type[Model], term: str) -> Results:
    """Return the newest records that the search of a model's own list finds."""
    options, page = model._meta, admin.site.get_model_admin(model)
    title = capfirst(str(options.verbose_name_plural))
    if not page.has_view_permission(request):
        return Results(title, [])
    found, _ = page.get_search_results(request, page.get_queryset(request), term)
    name = f"admin:{options.app_label}_{options.model_name}"
    if not isinstance(page.list_select_related, bool):
        found = found.select_related(*page.list_select_related)
    return Results(
        title,
        [
            Found(str(row), about(row), reverse(f"{name}_change", args=[row.pk]))
            for row in KeysFirst(found.order_by("-pk"))[:MOST_FOUND]
        ],
        f"{reverse(f'{name}_changelist')}?{urlencode({'q': term})}",
    )


def about(row: Any) -> str:
    """Say a little of a record beside its name."""
    match row:
        case User():
            return str(row.get_tier_display())
        case Order():
            return f"{row.account}, {row.reject_code or row.get_status_display()}"
        case _:
            return ""


def policies(request: HttpRequest, term: str) -> list[Found]:
    """Return the limits that every word of the term says something of; numbers without commas."""
    words = term.lower().replace(",", "").split()
    found = []
    for model in POLICIES:
        if admin.site.get_model_admin(model).has_view_permission(request):
            found += [one for row in model._default_manager.all() for one in limits(row)]
    return [
        one
        for one in found
        if all(word in f"{one.name} {one.text}".lower().replace(",", "") for word in words)
    ][:MOST_FOUND]


def limits(row: Model) -> Iterable[Found]:
    """Yield each limit of a policy with its value and what it means."""
    options = row._meta
    href = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
    for field in options.fields:
        if field.editable and not field.primary_key:
            written = shown(row, field)
            text = f"{written}. {field.help_text}" if field.help_text else written
            yield Found(f"{row}: {field.verbose_name}", text, href)
