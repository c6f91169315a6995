"""Agents say that they are done with a step; a replay waits for so many of them.

Counted in the database: who has said so is known after any process has died, and is part of a saved
state. An account's later step stands for its earlier ones, so that saying it twice changes nothing.
"""

import time
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from accounts.models import User
from market.models import MarketClock
from trading.errors import AgentsMissing, StepNotEnded
from trading.models import Readiness

#: Seconds between two looks.
POLL: Final = 0.02
#: Names that a refusal holds.
MOST_NAMED: Final = 20

SAY: Final = """
INSERT INTO trading_readiness AS known (account_id, step)
SELECT id, %(step)s FROM accounts_account WHERE user_id = %(user)s
ON CONFLICT (account_id) DO UPDATE SET step = greatest(known.step, excluded.step)
"""


@dataclass(frozen=True, slots=True)
class Roll:
    """The step that has ended last, and how many accounts are done with it."""

    step: int
    ready: int


def ready_roll() -> Roll:
    """Return how many accounts are done with the present step."""
    step = MarketClock.objects.get(id=1).finished
    return Roll(step, Readiness.objects.filter(step=step).count())


@transaction.atomic
def say_ready(*, user_id: int, step: int | None = None) -> Roll:
    """Note that a user is done with a step, the present one unless it is named.

    One that is over already is noted likewise, so that a call can be repeated. Raises StepNotEnded
    for one that is not over.
    """
    present = MarketClock.objects.get(id=1).finished
    if step is not None and step > present:
        raise StepNotEnded(step=present)
    with connection.cursor() as cursor:
        cursor.execute(SAY, {"user": user_id, "step": present if step is None else step})
    return ready_roll()


def await_agents(*, count: int, step: int, since: int, patience: float) -> None:
    """Wait until so many accounts are done with the present ``step``.

    ``since`` is the step from which on agents are known to take part. Raises AgentsMissing after
    ``patience`` seconds, or where another step has begun meanwhile.
    """
    deadline = time.monotonic() + patience
    while Readiness.objects.filter(step__gte=step).count() < count:
        if MarketClock.objects.get(id=1).steps != step:
            raise AgentsMissing(
                f"Another market step than this replay's came after step {step}: let the beat rest "
                "(TICK_INTERVAL_SECONDS=0), and nobody else step the market."
            )
        if time.monotonic() > deadline:
            raise AgentsMissing(describe_missing(count=count, step=step, since=since))
        time.sleep(POLL)


def describe_missing(*, count: int, step: int, since: int) -> str:
    """Say how many are done with a step, and who took part before and is not."""
    ready = Readiness.objects.filter(step__gte=step).count()
    late = User.objects.filter(
        account__in=Readiness.objects.filter(step__gte=since, step__lt=step).values("account")
    )
    names = ", ".join(late.order_by("id").values_list("username", flat=True)[:MOST_NAMED])
    who = f"waiting for {names}" if names else "the others have not been heard of yet"
    return f"{ready} of {count} agents are done with step {step}; {who}."
