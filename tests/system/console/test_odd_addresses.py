"""Hand-made addresses and bodies of the console: whatever is sent, nothing ends in a 5xx."""

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLResolver
from django.urls.resolvers import RegexPattern

#: Values that are no key, day, number, choice or page of anything.
ODD = (
    *(
        "abc",
        "-1",
        "0",
        "1.5",
        "1e400",
        "NaN",
        "9" * 30,
        "9" * 5000,
        str(2**63),
        "\N{DIGIT ONE}\u0661",
    ),
    *("9999-12-31", "0001-01-01", "2026-02-30", "\0", "a\0b", "\ud7ff\u202e\U0001f600", "'\"><--;"),
    *("%", "_00", "a,b", "null", "[]", " ", "1"),
)
METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "FROBNICATE")
#: What Django's lists, unfold's filters and our pages read from an address.
PARAMETERS = (
    *("p", "o", "q", "e", "s", "all", "_popup", "_to_field", "_facets", "_changelist_filters"),
    *("id", "pk__in", "user", "foo", "curve", "range", "app_label", "model_name", "term"),
)
LOOKUPS = ("", "__exact", "__in", "__isnull", "__gte", "__id__exact", "_from", "_to", "__foo")
#: What forms, dialogs and lists of actions read from a body.
FIELDS = (
    *("action", "_selected_action", "index", "select_across", "_form_submitted", "version", "tier"),
    *("amount", "reason", "price", "instrument", "format", "resource", "export_items", "user"),
)
#: One in so many addresses is tried, of some thousands, and of routes with bodies: all of them take
#: minutes.
ADDRESS_SHARE = 13
ROUTE_SHARE = 7
#: Seen as faults once.
KNOWN = (
    "/admin/accounts/account/abc/deposit/",
    "/admin/market/pricetick/?created_at_to=9999-12-31",
    "/admin/accounts/user/abc/history/",
    "/admin/risk/riskpolicy/1/history/abc/",
    "/admin/trading/order/export/?foo=bar",
    "/admin/kpi/auditrecord/export_csv/?id=x",
    "/admin/trading/trade/?side__exact=%00",
    "/admin/risk/leveragelimit/_00/change/",
    "/admin/accounts/apikey/add/?user=x",
    "/admin/kpi/kpisnapshot/?latency_counts__exact=+",
    f"/admin/trading/order/?q={'9' * 5000}",
)


def routes(patterns: list[Any], prefix: str = "/admin/") -> Iterator[str]:
    """Yield the route of every view of the console."""
    for one in patterns:
        if isinstance(one.pattern, RegexPattern):
            if "history" in str(one.pattern):
                yield from (f"{prefix}<id>/history/<id>/", f"{prefix}1/history/<id>/")
        elif isinstance(one, URLResolver):
            yield from routes(one.url_patterns, prefix + str(one.pattern))
        elif "logout" not in str(one.pattern):
            yield prefix + str(one.pattern)


def filled(route: str, value: str) -> str:
    """Return an address of a route with each of its parameters replaced."""
    return re.sub(r"<[^>]+>", quote(value, safe=""), route)


def parameters_of(route: str) -> set[str]:
    """Return the filters of a list, and lookups of the fields of its rows."""
    for model, page in admin.site._registry.items():
        options = model._meta
        if route.startswith(f"/admin/{options.app_label}/{options.model_name}/"):
            filters = [one[0] if isinstance(one, tuple) else one for one in page.list_filter]
            fields = {f"{field.name}__exact" for field in options.fields}
            return fields | {f"{name}{end}" for name in filters for end in LOOKUPS}
    return set()


def addresses() -> Iterator[tuple[str, str, str]]:
    """Yield routes, methods and addresses: each route and list parameter with odd values."""
    odd = cycle(ODD)
    for route in routes(admin.site.urls[0]):
        methods = METHODS[:: 1 if "<" in route else 3]
        yield from ((route, method, filled(route, "1")) for method in methods)
        if "<" in route:
            yield from ((route, "GET", filled(route, next(odd))) for _ in range(5))
        elif "add" not in route:
            for name in (*PARAMETERS, *sorted(parameters_of(route))):
                yield route, "GET", f"{route}?{urlencode({name: next(odd)})}"


def fault_of(client: Client, method: str, address: str, **sent: Any) -> list[str]:
    """Send a request and return it where the answer is a 5xx; undo what a fault left behind."""
    mark = transaction.savepoint()
    answer = client.generic(method, address, **sent)
    if answer.status_code < 500:
        transaction.savepoint_commit(mark)
        return []
    transaction.savepoint_rollback(mark)
    return [f"{answer.status_code} {method} {address[:200]} {str(sent)[:200]}"]


@pytest.fixture
def asker(staff: Client) -> Client:
    staff.raise_request_exception = False
    return staff


def test_no_address_ends_in_a_fault(asker: Client) -> None:
    asked = list(addresses())[::ADDRESS_SHARE]
    assert len(asked) >= 370
    assert len({route for route, *_ in asked}) >= 220
    requests = [*(("GET", one) for one in KNOWN), *((one[1], one[2]) for one in asked)]
    faults = [fault for one in requests for fault in fault_of(asker, *one)]
    assert faults == []


def test_no_body_ends_in_a_fault(asker: Client) -> None:
    kind, faults, odd = "application/x-www-form-urlencoded", [], cycle(ODD)
    tried = list(routes(admin.site.urls[0]))[::ROUTE_SHARE]
    assert len(tried) >= 38
    for route in tried:
        fields = {one.split("__")[0] for one in parameters_of(route)} | set(FIELDS)
        for key in ("1", next(odd)):
            body = urlencode({name: next(odd) for name in sorted(fields)})
            address = filled(route, key)
            faults += fault_of(asker, "POST", address, data=body, content_type=kind)
            body = urlencode(dict.fromkeys(fields, next(odd)))
            faults += fault_of(asker, "POST", address, data=body, content_type=kind)
    assert faults == []


def test_no_odd_address_ends_in_a_fault_of_strangers(db: None, client: Client) -> None:
    """Nor one that no route of the console has, which asks nobody to log in."""
    client.raise_request_exception = False
    ends = ("a%0ab", "%0a", "accounts/user/%0a/change/", "a%0db/", "%00", "%E2%80%A8", "%ff", "'\"")
    for method in ("GET", "POST", "HEAD", "FROBNICATE"):
        assert [one for end in ends for one in fault_of(client, method, f"/admin/{end}")] == []
    answer = client.get("/admin/a%0ab")
    assert (answer.status_code, "Nothing is here" in answer.text) == (404, True)
