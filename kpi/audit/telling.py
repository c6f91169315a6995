"""What a record says, for people: which field went from what to what, and why."""

from collections.abc import Mapping
from typing import Any, Final

from market.kernel.console.figures import NOTHING, tidied
from market.kernel.console.history import Changed

#: What says in one word or sentence what else was done, the first that there is.
SAYING: Final = ("message", "reject_code", "change", "kind", "outcome", "symbol")


def changes_in(details: Mapping[str, Any]) -> list[Changed]:
    """Return the fields that a record tells before and after."""
    before, after = details.get("before") or {}, details.get("after") or {}
    return [
        Changed(
            name.replace("_", " "),
            written(before[name]) if name in before else "",
            written(after.get(name)),
        )
        for name in {**before, **after}
    ]


def facts_in(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what else a record tells, each with its name."""
    return [
        (name.replace("_", " "), written(value))
        for name, value in details.items()
        if name not in {"before", "after", "reason"}
    ]


def summary(details: Mapping[str, Any]) -> str:
    """Say in one line what was done; of a new row that it is new."""
    if details.get("before"):
        return "; ".join(f"{x.field} {x.before} → {x.after}" for x in changes_in(details))
    if details.get("change") == "insert":
        return "new"
    return next((str(details[name]) for name in SAYING if details.get(name)), NOTHING)


def written(value: Any) -> str:
    return NOTHING if value is None or value == "" else tidied(str(value))
