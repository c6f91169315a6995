"""The policy of a day: as it was when the day began and when it ended."""

from datetime import timedelta
from typing import Any, Final

from kpi.audit.chain import moment
from kpi.bundles.day import Day
from risk.policy_history import policies_after

#: The least time: what a moment had in force is what was in force right before it.
INSTANT: Final = timedelta(microseconds=1)


def policies_of(day: Day) -> dict[str, Any]:
    """Return the policy, leverage limits included, before the day and at its end.

    Each with its digest; ``policy`` is TOML, as the policy lab reads it. The changes between are
    tables of their own.
    """
    before = {"start": day.start - INSTANT, "end": day.end - INSTANT}
    found = policies_after(list(before.values()))
    return {
        name: {
            "at": moment(getattr(day, name)),
            "digest": found[instant].digest,
            "policy": found[instant].canonical,
        }
        for name, instant in before.items()
    }
