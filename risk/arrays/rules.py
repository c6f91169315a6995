"""A risk policy as whole numbers: what orders and close-outs of many accounts are held against."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from market.kernel.states import TradingState
from risk.arrays.units import (
    LARGEST,
    Flags,
    Whole,
    ceil_times_rate,
    exact_units,
    limit_units,
    rate_units,
)
from risk.closing import LARGEST_LOSS_FIRST, PARTIAL
from risk.maintenance import Requirement, requirement_of
from risk.policy import TIERS, Policy
from risk.state import MINUTE
from risk.volatility import bands_of, scaled

#: No more is counted of a minute: an order, and what was sent before it, are at most ``LARGEST``.
NO_MINUTE: Final = 2 * LARGEST


@dataclass(frozen=True, eq=False)
class Rules:
    """Limits by tier in the order of ``TIERS``; limits in units, rates in parts of 1e-8.

    The limits of exposure may be above ``LARGEST``, which an account itself never is. A limit of an
    order is ``LARGEST`` where there is none, that of a minute ``NO_MINUTE``.
    """

    max_leverage: Whole
    user_exposure_limit: int
    global_exposure_threshold: int
    threshold: int
    partly: bool
    fee_rate: int
    halted: bool
    max_order_value: Whole
    reducing: bool
    halted_tiers: Flags
    reducing_tiers: Flags
    #: Ranges from which on the bands of volatility apply, and leverage by band and tier; the first
    #: row is that of no band.
    bounds: Whole
    by_band: Whole
    max_minute_value: Whole
    duplicate_seconds: int
    #: Whether close-outs reduce positions, the multiple of what is required that they aim at, and
    #: the share of a position that closes at most.
    reduces: bool
    close_out_target: int
    close_out_share: int
    requirement: Requirement
    max_fills: int
    fills_window_seconds: int

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return a policy's rules. Raises OutOfRange for a threshold that is too high here."""
        states = np.array([policy.limits(tier).tier_state for tier in TIERS])
        highest = [policy.limits(tier).max_leverage for tier in TIERS]
        bands = bands_of(policy.volatility_bands)
        left = [highest, *([scaled(one, share) for one in highest] for _, share in bands)]
        return cls(
            max_leverage=np.array(highest),
            user_exposure_limit=exact_units(policy.user_exposure_limit),
            global_exposure_threshold=exact_units(policy.global_exposure_threshold),
            threshold=rate_units(policy.liquidation_threshold),
            partly=policy.liquidation_mode == LARGEST_LOSS_FIRST,
            fee_rate=rate_units(policy.liquidation_fee_rate),
            halted=policy.trading_halted,
            max_order_value=np.array(
                [limit_units(policy.limits(tier).max_order_value) for tier in TIERS]
            ),
            reducing=policy.trading_reducing,
            halted_tiers=states == TradingState.HALTED,
            reducing_tiers=states == TradingState.REDUCING,
            bounds=np.array([rate_units(bound) for bound, _ in bands], np.int64),
            by_band=np.array(left),
            max_minute_value=np.array(
                [limit_units(policy.limits(tier).max_minute_value, NO_MINUTE) for tier in TIERS]
            ),
            duplicate_seconds=policy.duplicate_seconds,
            reduces=policy.liquidation_mode == PARTIAL,
            close_out_target=exact_units(policy.close_out_target),
            close_out_share=rate_units(policy.close_out_share),
            requirement=requirement_of(policy),
            max_fills=policy.max_fills,
            fills_window_seconds=policy.fills_window_seconds,
        )

    @cached_property
    def limit_orders(self) -> bool:
        """Whether a tier has a largest value of an order."""
        return bool(self.max_order_value.min() < LARGEST)

    def bands(self, low: Whole, high: Whole) -> Whole:
        """Return the band of each range from a lowest to a highest mark in ticks; 0 is none."""
        moved, band = high - low, np.zeros_like(low)
        for bound in self.bounds.tolist():
            band += moved >= ceil_times_rate(low, bound)
        return band

    @cached_property
    def window(self) -> int:
        """For how many seconds it matters what an account sent; 0 where nobody asks."""
        if self.max_minute_value.min() < NO_MINUTE:
            return max(int(MINUTE.total_seconds()), self.duplicate_seconds)
        return self.duplicate_seconds

    @cached_property
    def looks_back(self) -> int:
        """For how many seconds it matters what an account sent or filled; 0 where nobody asks."""
        return max(self.window, self.fills_window_seconds) if self.max_fills else self.window
