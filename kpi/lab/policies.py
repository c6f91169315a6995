"""The policies of a stored study: read back, held against the one in force, put in force."""

import tomllib
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import transaction

from kpi.lab.models import LabStudy
from market.kernel.console.figures import grouped
from market.kernel.errors import NotFound, StaleVersion
from market.kernel.versions import lock_row
from risk.models import LeverageLimit
from risk.policy import BY_TIER, NAMES, SEED, STATES, Policy, policy_from
from risk.selectors import get_policy, policy_in_force
from risk.services import set_policy

#: What is put in force of a policy, by tier and of its row.
LIMITS_BY_TIER: Final = sorted({*BY_TIER} - {*STATES})
IN_FORCE: Final = sorted({*NAMES} - {*BY_TIER, *STATES})


class Change(NamedTuple):
    """A field that one policy has otherwise than another, as text; by tier where it says it so."""

    field: str
    before: str
    after: str


def policy_names(study: LabStudy) -> list[str]:
    return [facts["name"] for facts in study.policies]


def policy_of(study: LabStudy, name: str) -> Policy:
    """Return a policy of a study. Raises NotFound."""
    for facts in study.policies:
        if facts["name"] == name:
            return policy_from(tomllib.loads(facts["canonical"], parse_float=Decimal), SEED)
    names = ", ".join(policy_names(study))
    raise NotFound(f"The study has no policy {name!r}; it has {names}.")


def changes_of(study: LabStudy, name: str, before: Policy) -> list[Change]:
    """Return what putting a policy in force would change of ``before``. Raises NotFound."""
    return differences(before, policy_of(study, name))


def differences(before: Policy, after: Policy) -> list[Change]:
    """Return where two policies differ, in what is put in force."""
    held, asked = values_of(before), values_of(after)
    return [
        Change(key, held.get(key, "–"), asked.get(key, "–"))
        for key in {**asked, **held}
        if held.get(key) != asked.get(key)
    ]


def values_of(policy: Policy) -> dict[str, str]:
    """Return what is put in force of a policy as text, what it says by tier first."""
    own = {
        f"{name} of {tier}s": f"{value}x" if name == "max_leverage" else as_text(value)
        for name in LIMITS_BY_TIER
        for tier, value in getattr(policy, name)
    }
    return own | {key: as_text(getattr(policy, key)) for key in IN_FORCE}


def as_text(value: Any) -> str:
    return grouped(value) if isinstance(value, Decimal) else str(value)


@transaction.atomic
def put_in_force(*, study: LabStudy, name: str, reason: str, seen: str | None = None) -> None:
    """Give the exchange a policy of a study, its leverage limits too; states stay as they are.

    History and audit trail keep the reason and name the study by its digest. Raises NotFound,
    ReasonRequired, ReasonTooLong, and StaleVersion where the policy in force is not the one with
    the digest ``seen``, if given.
    """
    policy = policy_of(study, name)
    lock_policy()
    present = policy_in_force()
    if seen is not None and seen != present.digest:
        raise StaleVersion
    set_policy(
        policy=replace(policy, **{name: getattr(present, name) for name in STATES}),
        reason=reason,
        origin=f"lab study {study.digest}: {name}",
    )


def lock_policy() -> None:
    """Hold the policy and its leverage limits as they are until the transaction ends."""
    lock_row(get_policy())
    list(LeverageLimit.objects.select_for_update(no_key=True).order_by("tier"))
