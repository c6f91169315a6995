"""What the fields of a risk policy may be: each has a check of a value that was asked for."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from market.kernel.amounts import LARGEST_AMOUNT, LARGEST_RATE, UNIT, ZERO, plain, round_half_even
from market.kernel.errors import ExchangeError
from market.kernel.states import TradingState
from market.windows import LONGEST_WINDOW
from risk.closing import FULL, LARGEST_LOSS_FIRST, PARTIAL
from risk.leverage import HIGHEST_LEVERAGE
from risk.maintenance import BRACKETS, INITIAL_SHARE, NoLadders, ladders_text, read_ladders
from risk.maintenance import SHAPE as LADDERS
from risk.state import MOST_DUPLICATE_SECONDS
from risk.throttle import FEWEST_FILLS, LONGEST_FILLS_WINDOW, MOST_FILLS
from risk.volatility import SHAPE, NoBands, bands_text, read_bands

T = TypeVar("T")

#: The tiers that a policy has a leverage for, from the least experienced on.
TIERS: Final = ("beginner", "intermediate", "advanced")
MODES: Final = (FULL, LARGEST_LOSS_FIRST, PARTIAL)
MARGIN_MODES: Final = (INITIAL_SHARE, BRACKETS)
#: The largest that the columns of whole numbers hold.
LARGEST_COUNT: Final = 2**31 - 1
#: What is said by tier and binds nobody.
FREE: Final = (None, TradingState.ACTIVE)


class PolicyError(ExchangeError):
    """What a policy cannot be; ``key`` is the field, or a part of it such as a tier."""

    code = "invalid_policy"

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}", key=key)
        self.key = key
        self.message = message


def leverage_by_tier(key: str, value: Any) -> dict[str, int]:
    """Return the highest leverages that were asked for, by tier."""
    return said_by_tier(key, value, whole_number(1, HIGHEST_LEVERAGE))


def limits_by_tier(key: str, value: Any) -> tuple[tuple[str, Decimal], ...]:
    """Return the amounts that tiers are limited to, sorted by tier; none where nothing is."""
    return tuple(sorted(said_by_tier(key, value, number(UNIT, LARGEST_AMOUNT)).items()))


def said_by_tier(key: str, value: Any, check: Callable[[str, Any], T]) -> dict[str, T]:
    """Return what was asked for by tier, or of all tiers alike."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(TIERS, check(key, value))
    for tier in value:
        if tier not in TIERS:
            raise PolicyError(f"{key}.{tier}", f"unknown; the tiers are {', '.join(TIERS)}.")
    return {tier: check(f"{key}.{tier}", one) for tier, one in value.items()}


def whole_number(least: int, most: int) -> Callable[[str, Any], int]:
    """Return the check of a whole number within bounds."""

    def check(key: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise PolicyError(key, f"a whole number from {least} to {most}, not {value!r}.")
        return value

    return check


def number(least: Decimal, most: Decimal) -> Callable[[str, Any], Decimal]:
    """Return the check of a decimal within bounds, of eight places at most."""
    allowed = f"a decimal from {plain(least)} to {plain(most)} with 8 places at most"

    def check(key: str, value: Any) -> Decimal:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            raise PolicyError(key, f"{allowed}, not {value!r}.")
        asked = Decimal(value)
        if not (asked.is_finite() and least <= asked <= most and round_half_even(asked) == asked):
            raise PolicyError(key, f"{allowed}, not {value}.")
        return round_half_even(asked)

    return check


def states_by_tier(key: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Return the states of tiers that are not free to trade, sorted by tier."""
    states = said_by_tier(key, value, trading_state)
    return tuple(sorted((tier, state) for tier, state in states.items() if state not in FREE))


def trading_state(key: str, value: Any) -> str:
    if value not in list(TradingState):
        raise PolicyError(key, f"one of {', '.join(TradingState)}, not {value!r}.")
    return str(value)


def yes_or_no(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(key, f"true or false, not {value!r}.")
    return value


def one_of(*modes: str) -> Callable[[str, Any], str]:
    """Return the check of a choice."""

    def check(key: str, value: Any) -> str:
        if value not in modes:
            raise PolicyError(key, f"one of {', '.join(modes)}, not {value!r}.")
        return str(value)

    return check


def volatility_bands(key: str, value: Any) -> str:
    """Return bands as their text, the same for the same ones."""
    try:
        return bands_text(read_bands(value))
    except (AttributeError, NoBands):
        raise PolicyError(key, f"{SHAPE}; not {value!r}.") from None


def maintenance_brackets(key: str, value: Any) -> str:
    """Return ladders as their text, the same for the same ones."""
    try:
        return ladders_text(read_ladders(value))
    except (TypeError, NoLadders):
        raise PolicyError(key, f"{LADDERS}; not {value!r}.") from None


def most_fills(key: str, value: Any) -> int:
    """Return how many fills hold an account back, 0 for none; one fill repeats nothing."""
    return whole_number(FEWEST_FILLS if value else 0, MOST_FILLS)(key, value)


amount: Final = number(ZERO, LARGEST_AMOUNT)
count: Final = whole_number(0, LARGEST_COUNT)
CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "max_leverage": leverage_by_tier,
    "trading_halted": yes_or_no,
    "max_mark_age_seconds": count,
    "user_exposure_limit": amount,
    "max_open_orders": count,
    "global_exposure_threshold": amount,
    "liquidation_threshold": amount,
    "liquidation_mode": one_of(*MODES),
    "liquidation_fee_rate": number(ZERO, 1 - UNIT),
    "price_collar": number(UNIT, LARGEST_RATE),
    "max_order_value": limits_by_tier,
    "trading_reducing": yes_or_no,
    "tier_state": states_by_tier,
    "volatility_window_minutes": whole_number(1, LONGEST_WINDOW),
    "volatility_bands": volatility_bands,
    "price_band": number(ZERO, LARGEST_RATE),
    "max_minute_value": limits_by_tier,
    "duplicate_seconds": whole_number(0, MOST_DUPLICATE_SECONDS),
    "margin_mode": one_of(*MARGIN_MODES),
    "maintenance_brackets": maintenance_brackets,
    "close_out_target": number(Decimal(1), LARGEST_RATE),
    "close_out_share": number(UNIT, Decimal(1)),
    "max_fills": most_fills,
    "fills_window_seconds": whole_number(1, LONGEST_FILLS_WINDOW),
}
