"""What an account was worth at each moment, and how far from its close-out it stood.

Nothing is worked out here: a moment becomes a state as a decision sees one, which says the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from accounts.models import Account
from kpi.paths.fills import holdings
from kpi.paths.moments import Kind, Moment, balances, close_outs_in, marks, moments_of
from kpi.paths.spans import Span
from market.models import Instrument
from risk.fills import Holding
from risk.maintenance import Requirement
from risk.margin import margin_ratio
from risk.policy_history import policies_after
from risk.selectors import account_states, requirement_in_force
from risk.state import AccountState, OpenPosition
from risk.statement import entry_price
from trading.models import Liquidation


@dataclass(frozen=True, slots=True)
class Point:
    """An account at one moment, amounts in USDT; ``state`` is None where it is not known.

    ``required`` is what its positions were held to. ``recorded`` tells that the ratio is the one
    that a close-out recorded. ``cover`` is equity ÷ what the positions required, below 1 in breach,
    which says by brackets what the ratio does by a threshold; None where nothing was required.
    """

    at: datetime
    kind: Kind
    required: Requirement
    state: AccountState | None
    ratio: Decimal | None
    cover: Decimal | None
    recorded: bool = False

    def entry(self, instrument_id: int) -> Decimal | None:
        """Return the average price at which what is held was opened."""
        position = self.state.positions.get(instrument_id) if self.state else None
        return entry_price(position.holding) if position else None

    def liquidation_price(self, instrument_id: int) -> Decimal | None:
        """Return the mark at which the account would have been closed out, others unmoved."""
        position = self.state.positions.get(instrument_id) if self.state else None
        if self.state is None or position is None:
            return None
        return self.state.liquidation_price(position, self.required)


def course_of(account: Account, span: Span, *, now: datetime) -> list[Point]:
    """Return a user's account at each moment of a span."""
    present = account_states([account.pk])[account.pk]
    moments = moments_of(span, close_outs_in(account.pk, span), now=now)
    held_now = {key: position.holding for key, position in present.positions.items()}
    held = holdings(
        account_id=account.pk, ends=[moment.end for moment in moments], present=held_now
    ).by_moment(len(moments))
    first = next((n for n, each in enumerate(held) if is_known(each)), len(held))
    balance = balances(account.pk, moments, present=present.balance, first=first)
    instruments = Instrument.objects.in_bulk({key for each in held for key in each or ()})
    marked = marks(moments, held, {key: row.mark_price for key, row in instruments.items()})
    required = required_at(moments)
    states = [
        state_of(present, *each, instruments) for each in zip(balance, held, marked, strict=True)
    ]
    return [point(*each) for each in zip(moments, required, states, strict=True)]


def is_known(held: Mapping[int, Holding | None] | None) -> bool:
    """Tell whether all that was held at a moment is on record."""
    return held is not None and None not in held.values()


def required_at(moments: Sequence[Moment]) -> list[Requirement]:
    """Return what positions were held to at each moment."""
    policies = policies_after([moment.at for moment in moments])
    now = requirement_in_force()
    return [
        now if moment.kind is Kind.NOW else policies[moment.at].requirement for moment in moments
    ]


def state_of(
    present: AccountState,
    balance: Decimal | None,
    held: Mapping[int, Holding | None] | None,
    marks: Mapping[int, Decimal],
    instruments: Mapping[int, Instrument],
) -> AccountState | None:
    """Return the state of one moment; None where a part of it is not on record."""
    if balance is None or held is None or not is_known(held):
        return None
    positions = {}
    for key, holding in held.items():
        mark = marks.get(key)
        if holding is None or mark is None:
            return None
        positions[key] = OpenPosition(
            id=None,
            instrument_id=key,
            symbol=instruments[key].symbol,
            holding=holding,
            leverage=1,
            realized_pnl=Decimal(),
            mark_price=mark,
        )
    return AccountState(present.account_id, present.user_id, balance, positions)


def point(moment: Moment, required: Requirement, state: AccountState | None) -> Point:
    """Return a point; a close-out whose marks are forgotten has recorded its ratios."""
    done = moment.close_out
    if done is not None:
        required = replace(required, threshold=done.threshold)
        if state is None:
            recorded = ratios_recorded(done, before=moment.kind is Kind.BEFORE)
            return Point(moment.at, moment.kind, required, None, *recorded, recorded=True)
    if state is None:
        return Point(moment.at, moment.kind, required, None, None, None)
    cover = margin_ratio(state.equity, state.required(required))
    return Point(moment.at, moment.kind, required, state, state.margin_ratio, cover)


def ratios_recorded(done: Liquidation, *, before: bool) -> tuple[Decimal | None, Decimal | None]:
    """Return the margin ratio of a close-out, and its equity ÷ what was required."""
    when = "before" if before else "after"
    ratio, equity, required = (
        getattr(done, f"{name}_{when}") for name in ("margin_ratio", "equity", "required")
    )
    return ratio, margin_ratio(equity, required)
