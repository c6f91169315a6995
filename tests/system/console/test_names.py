"""Every page opens, under one name, with figures as people read them; no page of what is not."""

import re
from html import unescape
from itertools import cycle, product
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils.text import capfirst

from exchange_poc.navigation import NAVIGATION
from tests.each import each
from tests.system.console.test_pages import ADDED, POLICIES, address

#: What the sidebar calls the lists, by their addresses.
SIDEBAR = {str(item["link"]): item["title"] for section in NAVIGATION for item in section["items"]}
#: Django's own models, whose names are Django's.
FOREIGN = (Group, LogEntry)
RAW = re.compile(r"\d\.\d{7}0\b|[a-z]+_(?:pnl|p95|rate|ratio)\b", re.IGNORECASE)


def test_the_pages_pass_django_s_checks() -> None:
    """Here all are there; a command's checks may be made before the URLs have found them."""
    call_command("check", fail_level="WARNING")


def listed() -> list[Any]:
    return [model for model in admin.site._registry if model.__name__ not in POLICIES]


def heading(page: str) -> tuple[str, str]:
    """Return what a page calls itself: in its heading and in the browser's tab."""
    name, title = re.search(r"<h1[^>]*>(.*?)</h1>", page), re.search(r"<title>(.*?)</title>", page)
    assert name is not None
    assert title is not None
    return unescape(name[1].strip()), unescape(" ".join(title[1].split()))


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


@each("model", admin.site._registry)
def test_every_page_opens_and_says_what_it_is(staff: Client, model: Any) -> None:
    path = address(model, "changelist")
    listed = staff.get(path)
    if model.__name__ in POLICIES:
        assert listed.status_code == 302
    else:
        check_list(model, path, text_of(listed))
    assert staff.get(path, {"q": "a"}).status_code == listed.status_code
    added = staff.get(address(model, "add"))
    if model.__name__ in ADDED:
        assert heading(text_of(added))[0] == f"Add {model._meta.verbose_name}"
    else:
        assert added.status_code == 403
    row = model._default_manager.first()
    assert row is not None or model.__name__ in {"Group", "LogEntry", "Reservation"}
    if row is not None:
        page = text_of(staff.get(address(model, "change", row.pk)))
        check_record(str(row), SIDEBAR[path], page)
        history = text_of(staff.get(address(model, "history", row.pk)))
        assert heading(history)[0] == "History"


def check_list(model: Any, path: str, page: str) -> None:
    """A list has one name, in the sidebar too, and writes no name or figure as it is stored."""
    name = SIDEBAR[path]
    assert heading(page) == (name, f"{name} | Exchange POC")
    assert re.findall(r'href="([^"]*)" class="[^"]* active"', page) == [path]
    assert model in FOREIGN or capfirst(model._meta.verbose_name_plural) == name
    lists = re.findall(r"<table.*?</table>|<h3.*?</h3>", page, re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", " ".join(lists))
    assert RAW.search(text) is None


def check_record(record: str, name: str, page: str) -> None:
    shown, title = heading(page)
    assert (shown, RAW.search(shown)) == (record, None)
    assert title == f"{shown} | {name} | Exchange POC" or shown == name


def test_no_page_of_what_there_is_not(staff: Client) -> None:
    """Each page of each model with one of the keys, in turns; each kind of page with them all."""
    kinds, keys = ("change", "history", "delete"), ("0", "x", "999999999", "_00")
    turns, tried = cycle(keys), set[tuple[str, str]]()
    for model, page in product(admin.site._registry, kinds):
        key = next(turns)
        tried.add((page, key))
        answer = staff.get(address(model, page, key))
        case = (model, page, key)
        assert answer.status_code in ({404, 403} if page == "delete" else {404}), case
        assert page == "delete" or "Nothing is here" in answer.content.decode(), case
    assert tried == set(product(kinds, keys))


def test_an_empty_list_says_what_would_fill_it(staff: Client) -> None:
    for model in listed():
        said = admin.site._registry[model].filled_by
        assert said.endswith("."), model
    page = staff.get(reverse("admin:trading_order_changelist"), {"q": "nobody"}).content.decode()
    assert "Nothing on this list fits “nobody”." in page
