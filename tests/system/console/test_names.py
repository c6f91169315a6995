"""One name for each page, figures as people read them, and no page of what there is not."""

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


def text_of(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_a_list_has_one_name_and_writes_no_name_or_figure_as_it_is_stored(staff: Client) -> None:
    for model in listed():
        path = address(model, "changelist")
        page, name = text_of(staff, path), SIDEBAR[path]
        assert heading(page) == (name, f"{name} | Exchange POC")
        assert re.findall(r'href="([^"]*)" class="[^"]* active"', page) == [path]
        assert model in FOREIGN or capfirst(model._meta.verbose_name_plural) == name, model
        lists = re.findall(r"<table.*?</table>|<h3.*?</h3>", page, re.DOTALL)
        text = re.sub(r"<[^>]+>", " ", " ".join(lists))
        assert RAW.search(text) is None, model


def test_a_record_and_its_history_say_what_they_are(staff: Client) -> None:
    for model in admin.site._registry:
        row, name = model._default_manager.first(), SIDEBAR[address(model, "changelist")]
        if row is None:
            continue
        shown, title = heading(text_of(staff, address(model, "change", row.pk)))
        assert (shown, RAW.search(shown)) == (str(row), None)
        assert title == f"{shown} | {name} | Exchange POC" or shown == name
        assert heading(text_of(staff, address(model, "history", row.pk)))[0] == "History"
        if model.__name__ in ADDED:
            added = heading(text_of(staff, address(model, "add")))
            assert added[0] == f"Add {model._meta.verbose_name}"


def test_no_page_of_what_there_is_not(staff: Client) -> None:
    """Each page of each model with two of the keys, in turns, each kind of page with them all."""
    kinds, keys = ("change", "history", "delete"), ("0", "x", "999999999", "_00")
    turns, tried = cycle(keys), set[tuple[str, str]]()
    for model, page in product(admin.site._registry, kinds):
        for key in (next(turns), next(turns)):
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
