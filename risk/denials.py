"""Why an order may be refused: the codes on the wire and their sentences."""

from dataclasses import dataclass
from typing import Final

#: In the order in which the checks answer.
DENIALS: Final = {
    "trading_halted": "Trading is halted by staff; try again later.",
    "reducing_only": "{whose} is in REDUCING: an order may only reduce what is open; ask for "
    "reduce_only, or close the position.",
    "stale_price": "The mark price is missing or too old; wait for a market step.",
    "account_suspended": "This account is suspended by staff.",
    "tier_halted": "Your tier is halted by staff; try again later.",
    "unknown_symbol": "No instrument is listed under this symbol.",
    "instrument_halted": "This instrument is halted by staff; try again later.",
    "invalid_size": "The size must be a positive multiple of {lot_size}.",
    "invalid_price": "The price must be a positive multiple of {tick_size}.",
    "below_min_notional": "Size × price must reach {min_notional}.",
    "price_out_of_band": "The price must be within {percent} % of the mark price.",
    "order_value_exceeded": "One order may be for {most} at most; send smaller ones.",
    "duplicate_order": "An equal order was accepted less than {seconds} s ago.",
    "order_volume_exceeded": "Your orders of any 60 s may be worth {most} USDT; wait a little.",
    "leverage_exceeds_tier": "Your tier allows a leverage of up to {max_leverage}.",
    "leverage_exceeds_volatility": "Your tier allows a leverage of up to {max_leverage}; while the "
    "marks of {symbol} of the last {minutes} minutes range over {realized_range}, it is {highest}.",
    "brackets_missing": "There are no maintenance brackets for {symbol}, without which a position "
    "may only be reduced.",
    "position_exceeds_brackets": "A position in {symbol} may be worth {cap} USDT at most, the cap "
    "of its last bracket.",
    "leverage_exceeds_bracket": "A position in {symbol} that is worth {notional} USDT may have a "
    "leverage of up to {highest}, not {asked}.",
    "reduce_only_rejected": "There is no position that this order would reduce.",
    "too_many_open_orders": "An account may have {max_open_orders} open orders; cancel some first.",
    "insufficient_margin": "The available margin is too low for this order.",
    "below_maintenance": "After this order equity would be {equity} USDT at the marks, less than "
    "the {required} USDT that all positions would then require.",
    "user_exposure_exceeded": "The order would exceed the exposure limit of a user.",
    "global_exposure_exceeded": "The order would lift global exposure above its threshold.",
}


@dataclass(frozen=True, slots=True)
class Denial:
    """Why an order is refused; a fact that is stored with the order."""

    code: str
    detail: str


def deny(code: str, **facts: object) -> Denial:
    """Return the denial of a code, with the facts that its sentence names."""
    return Denial(code, DENIALS[code].format(**facts))
