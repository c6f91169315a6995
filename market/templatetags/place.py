"""Where a page of the console stands: one name of it for the sidebar, its title and its crumbs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django import template
from django.db.models import Model
from django.db.models.options import Options
from django.urls import reverse
from django.utils.text import capfirst

from market.kernel.console.figures import titled

register = template.Library()
register.filter("titled", titled)

#: What pages of a record or a list are called, by the end of the name of their address.
CALLED = {
    "history": "History",
    "simple_history": "Past version",
    "auth_user_password_change": "Password",
    "delete": "Delete",
    "export": "Export",
    "changelist": "",
}


class Crumb(NamedTuple):
    """A step on the way to a page; a section of the sidebar is no page of its own."""

    name: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The way to a page, and what the page itself is called."""

    crumbs: tuple[Crumb, ...]
    name: str

    @property
    def title(self) -> str:
        """The name, and the list that it belongs to."""
        lists = [crumb.name for crumb in self.crumbs if crumb.href][:1]
        return " | ".join([self.name, *lists])


@register.simple_tag(takes_context=True)
def place(context: Mapping[str, Any]) -> Place:
    """Return the place of the page that is being rendered."""
    # A past version is a row of the history's own model, which has no list.
    opts = context.get("original_opts") or context.get("opts")
    title = str(context.get("title") or "")
    if opts is None:
        return Place(section_of(context, getattr(context.get("request"), "path", "")), title)
    record = context.get("original") or context.get("object")
    crumbs = way_to_list(context, opts)
    what = what_of(context, opts)
    if what == "add":
        return Place(crumbs, f"Add {opts.verbose_name}")
    if not isinstance(record, Model) or what == "changelist":
        name = CALLED.get(what, title)
        return Place(crumbs, name) if name else Place(crumbs[:-1], crumbs[-1].name)
    return place_of_record(crumbs, opts, record, CALLED.get(what, ""))


def what_of(context: Mapping[str, Any], opts: "Options[Any]") -> str:
    """Return the end of the name of the page's address: ``change`` of ``trading_order_change``."""
    match = getattr(context.get("request"), "resolver_match", None)
    named = (match and match.url_name) or ""
    return str(named).removeprefix(f"{opts.app_label}_{opts.model_name}_")


def section_of(context: Mapping[str, Any], href: str) -> tuple[Crumb, ...]:
    """Return the section of the sidebar that leads to an address, if one does."""
    for section in context.get("sidebar_navigation") or ():
        if any(str(item["link"]) == href for item in section["items"]) and section.get("title"):
            return (Crumb(str(section["title"])),)
    return ()


def way_to_list(context: Mapping[str, Any], opts: "Options[Any]") -> tuple[Crumb, ...]:
    """Return the section of a list and the list, as the sidebar calls them."""
    href = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    for section in context.get("sidebar_navigation") or ():
        for item in section["items"]:
            if str(item["link"]) == href:
                return Crumb(str(section["title"])), Crumb(str(item["title"]), href)
    return (Crumb(str(capfirst(opts.verbose_name_plural)), href),)


def place_of_record(
    crumbs: tuple[Crumb, ...], opts: "Options[Any]", record: Model, page: str
) -> Place:
    """Return the place of a record's own page, or of another ``page`` about it."""
    name = str(record)
    way = crumbs[:-1] if name == crumbs[-1].name else crumbs
    if not page:
        return Place(way, name)
    href = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[record.pk])
    return Place((*way, Crumb(name, href)), page)
