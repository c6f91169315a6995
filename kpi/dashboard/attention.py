"""What needs somebody's attention, the worst first, each with the page where it is mended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.urls import reverse

from accounts.models import Account
from accounts.selectors import throttled_accounts
from kpi.audit.checks import last_audit_differences
from kpi.checks.ledger import last_differences
from kpi.dashboard.margin_ratios import MarginRatios
from kpi.health.heartbeats import BEATS_OF_PATIENCE, beat_interval, heartbeat_age
from market.kernel.console.figures import counted, grouped
from market.kernel.states import TradingState
from market.models import Instrument, PriceHalt
from risk.models import LeverageLimit
from trading.models import Kill
from trading.selectors import MOST_PARKED, parked_answers_waiting, unfinished_kills

#: So many halted instruments are named; a market with more of them has one trouble, not many.
MOST_NAMED: Final = 10
#: The share of its threshold from which on the global exposure is near it.
NEAR_THRESHOLD: Final = 0.9

CRITICAL, WARNING = "critical", "warning"


class Concern(NamedTuple):
    """Something to look after; ``permission`` is what its page asks for."""

    severity: str
    title: str
    text: str
    href: str
    permission: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What is looked at, besides the figures that the dashboard has anyway."""

    price_halts: Sequence[PriceHalt]
    halted_by_staff: Sequence[Instrument]
    parked: int
    heartbeat_age: timedelta | None
    ledger_differences: int
    audit_differences: int
    reducing: Sequence[Instrument] = ()
    tiers: Sequence[LeverageLimit] = ()
    kills: Sequence[Kill] = ()
    throttled: Sequence[Account] = ()


def read_signs() -> Signs:
    """Read them, each from an index or a row."""
    halts = PriceHalt.objects.filter(released_at=None).select_related("instrument")
    by_staff = Instrument.objects.filter(halted=True).exclude(pk__in=halts.values("instrument"))
    return Signs(
        price_halts=list(halts[:MOST_NAMED]),
        halted_by_staff=list(by_staff[:MOST_NAMED]),
        parked=parked_answers_waiting(),
        heartbeat_age=heartbeat_age(),
        ledger_differences=last_differences() or 0,
        audit_differences=last_audit_differences() or 0,
        reducing=list(Instrument.objects.filter(reducing=True, halted=False)[:MOST_NAMED]),
        kills=unfinished_kills(most=MOST_NAMED),
        throttled=throttled_accounts(most=MOST_NAMED),
        tiers=list(LeverageLimit.objects.exclude(tier_state=TradingState.ACTIVE)),
    )


def concerns(
    signs: Signs, ratios: MarginRatios, *, state: TradingState, exposure_share: float
) -> list[Concern]:
    """Return what needs attention; nothing where all is well."""
    found = [
        *checks(signs),
        *worker(signs.heartbeat_age),
        *kills(signs.kills),
        *halts(signs, state),
        *reducing(signs, state),
        *throttled(signs.throttled),
        *accounts(ratios),
        *exposure(exposure_share),
        *parked(signs.parked),
    ]
    return sorted(found, key=lambda concern: concern.severity != CRITICAL)


def checks(signs: Signs) -> list[Concern]:
    """The ledger and the audit trail are what everything else rests on."""
    looked_at = (
        ("ledger check", signs.ledger_differences, "ledgercheck"),
        ("verification of the audit trail", signs.audit_differences, "auditcheck"),
    )
    return [
        Concern(
            CRITICAL,
            f"The last {name} found {counted(number, 'difference')}",
            "The check names them; nothing mends them by itself.",
            page(f"kpi_{model}_changelist"),
            f"kpi.view_{model}",
        )
        for name, number, model in looked_at
        if number
    ]


def worker(age: timedelta | None) -> list[Concern]:
    """Without a worker no market step, check or alert comes by itself."""
    if age is not None and age < BEATS_OF_PATIENCE * beat_interval():
        return []
    since = "No heartbeat yet" if age is None else f"No heartbeat for {duration(age)}"
    text = "Market steps, checks and alerts wait for a worker: see that it and beat run."
    return [Concern(CRITICAL, since, text, page("kpi_heartbeat_changelist"), "kpi.view_heartbeat")]


def kills(unfinished: Sequence[Kill]) -> list[Concern]:
    """Kills that left orders open, while what they set still stands."""
    text = "Orders of before are open still: kill again, which goes on with it."
    href, permission = page("trading_kill_changelist"), "trading.view_kill"
    return [Concern(CRITICAL, f"{act} is unfinished", text, href, permission) for act in unfinished]


def halts(signs: Signs, state: TradingState) -> list[Concern]:
    """All of trading, then instruments by their price collar, then those that staff halted."""
    found = []
    if state == TradingState.HALTED:
        text = "Orders are refused, cancels and close-outs go on: resume it in the risk policy."
        found = [policy_concern(CRITICAL, "Trading is halted", text)]
    found += [
        instrument_concern(CRITICAL, halt.instrument, "waits for review", halt.reason)
        for halt in signs.price_halts
    ]
    return found + [
        instrument_concern(WARNING, one, "is halted", "By staff: resume it on its page.")
        for one in signs.halted_by_staff
    ]


def reducing(signs: Signs, state: TradingState) -> list[Concern]:
    """Where orders may only reduce, and tiers that are halted: staff set it, and end it."""
    found = []
    if state == TradingState.REDUCING:
        text = "Orders that open are refused: resume trading in the risk policy."
        found = [policy_concern(WARNING, "Orders may only reduce", text)]
    found += [
        instrument_concern(WARNING, one, "may only be reduced", "By staff: resume it on its page.")
        for one in signs.reducing
    ]
    return found + [tier_concern(limit) for limit in signs.tiers]


def throttled(held: Sequence[Account]) -> list[Concern]:
    """Accounts that traded too often, until staff have looked into it."""
    text = "By the throttle of repeated execution: resume it on its page."
    return [
        Concern(
            WARNING,
            f"{account} may only reduce after {account.throttled}",
            text,
            page("accounts_account_change", account.pk),
            "accounts.view_account",
        )
        for account in held
    ]


def tier_concern(limit: LeverageLimit) -> Concern:
    halted = limit.tier_state == TradingState.HALTED
    does = "is halted" if halted else "may only reduce"
    title = f"Tier {limit.get_tier_display().lower()} {does}"
    href = page("risk_leveragelimit_change", limit.pk)
    text = "By staff: resume it on its page."
    return Concern(WARNING, title, text, href, "risk.view_leveragelimit")


def policy_concern(severity: str, title: str, text: str) -> Concern:
    return Concern(severity, title, text, page("risk_riskpolicy_change", 1), "risk.view_riskpolicy")


def instrument_concern(severity: str, instrument: Instrument, state: str, text: str) -> Concern:
    href = page("market_instrument_change", instrument.pk)
    return Concern(severity, f"{instrument} {state}", text, href, "market.view_instrument")


def accounts(ratios: MarginRatios) -> list[Concern]:
    """Accounts in breach, which a sweep closes out, and those that are near."""
    breaches, near = ratios.counts[0], ratios.near - ratios.counts[0]
    href, permission = (
        page("risk_position_changelist") + "?status__exact=OPEN",
        "risk.view_position",
    )
    found = []
    if breaches:
        title = f"{counted(breaches, 'account')} below the close-out threshold"
        text = "The next market step or a sweep closes them out."
        found = [Concern(CRITICAL, title, text, href, permission)]
    if near:
        title = f"{counted(near, 'account')} near close-out"
        text = f"Their {ratios.of} is below {grouped(ratios.bounds[1])}; they are closed out below "
        text += f"{grouped(ratios.bounds[0])}."
        found.append(Concern(WARNING, title, text, href, permission))
    return found


def exposure(share: float) -> list[Concern]:
    """New orders are refused once the threshold is reached."""
    if share < NEAR_THRESHOLD:
        return []
    title = f"Global exposure is at {share:.0%} of its threshold"
    text = "Orders that would pass it are refused: the threshold stands in the risk policy."
    href = page("risk_riskpolicy_change", 1)
    return [Concern(WARNING, title, text, href, "risk.view_riskpolicy")]


def parked(waiting: int) -> list[Concern]:
    """Their orders stay as they are, and their owners cannot cancel them."""
    if not waiting:
        return []
    number = (
        counted(waiting, "answer") if waiting < MOST_PARKED else f"{MOST_PARKED} answers or more"
    )
    title = f"{number} of a venue {'waits' if waiting == 1 else 'wait'} for staff"
    href = page("trading_parkedanswer_changelist") + "?settled_at__isempty=1"
    text = "What was said does not fit the order: book, release or adjust it."
    return [Concern(CRITICAL, title, text, href, "trading.view_parkedanswer")]


def duration(age: timedelta) -> str:
    """Write how long ago something was: seconds, minutes or hours."""
    seconds = int(age.total_seconds())
    if seconds < 120:
        return counted(seconds, "second")
    return counted(seconds // 60, "minute") if seconds < 7200 else counted(seconds // 3600, "hour")


def page(name: str, *keys: Any) -> str:
    return reverse(f"admin:{name}", args=keys)
