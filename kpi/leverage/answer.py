"""What the page says about a move of the marks: its figures, and whom it would close out."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.urls import reverse

from accounts.models import Account, Tier
from kpi.leverage.panels import cents, of
from kpi.leverage.what_if import MOST_FILLS, Move, WhatIf, what_if
from kpi.selectors import MOST_POSITIONS
from market.kernel.amounts import ZERO, plain
from market.kernel.console.figures import NOTHING, rounded
from market.kernel.rows import as_array, rows_of
from risk.what_if import Closed

#: So many of the accounts that would close are listed, the largest first.
MOST_LISTED: Final = 20
TOO_MANY: Final = "There are too many open positions."


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of what would happen; ``exact`` has all of its digits."""

    title: str
    value: str
    unit: str
    note: str = ""
    exact: str = ""
    alarming: bool = False


def answer_to(move: Move, *, sees_accounts: bool) -> dict[str, Any]:
    """Return what the page shows; without ``figures`` there are too many positions. Raises Busy."""
    started = time.perf_counter()
    found = what_if(move)
    if found is None:
        return {"figures": None, "most_positions": MOST_POSITIONS, "said": TOO_MANY}
    closed = sorted(found.close_outs.closed, key=lambda one: (-one.notional, one.account_id))
    answer = {
        "figures": figures_of(found),
        "said": said(found),
        "tiers": tier_rows(closed),
        "accounts": account_rows(closed[:MOST_LISTED]) if sees_accounts else None,
        "more": max(len(closed) - MOST_LISTED, 0),
        "left_out": found.fills is None,
        "most_fills": MOST_FILLS,
    }
    return {**answer, "milliseconds": round(1000 * (time.perf_counter() - started))}


def said(found: WhatIf) -> str:
    """Say a move in words, and how many accounts it closes out."""
    move, closed = found.move, len(found.close_outs.closed)
    accounts = f"{closed:,} of {found.accounts:,} accounts with positions would be closed out."
    if move.percent == 0:
        return f"At the present marks {accounts}"
    whose = f"the mark of {move.symbol}" if move.symbol else "all marks"
    way = "fell" if move.percent < 0 else "rose"
    return f"If {whose} {way} by {plain(abs(move.percent))} %, {accounts}"


def figures_of(found: WhatIf) -> Sequence[Figure]:
    done = found.close_outs
    closed, bad_debt = done.closed, sum((one.bad_debt for one in done.closed), ZERO)
    return (
        Figure(
            "Accounts closed out",
            f"{len(closed):,}",
            f"of {found.accounts:,}",
            f"{of(len(closed), found.accounts)} of those with positions",
        ),
        amount(
            "Notional that closes", sum((one.notional for one in closed), ZERO), "at moved marks"
        ),
        amount(
            "Insurance fund pays",
            sum((one.insurance_paid for one in closed), ZERO),
            f"and gets {cents(done.fees)} of fees",
        ),
        amount("Bad debt", bad_debt, "that nobody could pay", alarming=bad_debt > 0),
        amount(
            "Left in the fund",
            done.fund,
            f"of {cents(found.fund_before)}",
            alarming=done.fund < found.fund_before and done.fund == 0,
        ),
        Figure(
            "Orders that fill first",
            NOTHING if found.fills is None else f"{found.fills:,}",
            "",
            "resting ones that the move reaches",
        ),
    )


def amount(title: str, value: Decimal, note: str, *, alarming: bool = False) -> Figure:
    return Figure(title, rounded(value), "USDT", note, plain(value), alarming)


TIERS: Final = """
SELECT account.id, owner.tier
FROM accounts_account AS account JOIN accounts_user AS owner ON owner.id = account.user_id
WHERE account.id = ANY(%(accounts)s::bigint[])
"""


def tier_rows(closed: Sequence[Closed]) -> list[tuple[str, ...]]:
    """Return (tier, accounts, notional, fund pays, bad debt) of what would close, by tier."""
    tiers = dict(rows_of(TIERS, {"accounts": as_array([one.account_id for one in closed])}))
    own: defaultdict[str, list[Closed]] = defaultdict(list)
    for one in closed:
        own[tiers[one.account_id]].append(one)
    return [
        (
            tier.label,
            f"{len(own[tier]):,}",
            *(
                cents(sum((getattr(one, name) for one in own[tier]), ZERO))
                for name in ("notional", "insurance_paid", "bad_debt")
            ),
        )
        for tier in Tier
    ]


def account_rows(closed: Sequence[Closed]) -> list[dict[str, str]]:
    ids = [one.account_id for one in closed]
    accounts = Account.objects.select_related("user").in_bulk(ids)
    return [account_row(accounts[one.account_id], one) for one in closed]


def account_row(account: Account, one: Closed) -> dict[str, str]:
    before = one.out.before
    return {
        "href": reverse("admin:accounts_account_change", args=[account.pk]),
        "name": str(account),
        "tier": account.user.get_tier_display() if account.user else "",
        "ratio": NOTHING if before.ratio is None else cents(before.ratio),
        "equity": cents(before.equity),
        "notional": cents(one.notional),
        "paid": cents(one.insurance_paid),
        "bad_debt": cents(one.bad_debt),
    }
