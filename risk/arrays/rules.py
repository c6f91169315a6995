"""A risk policy as whole numbers: what orders and close-outs of many accounts are held against."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from market.kernel.states import TradingState
from risk.arrays.units import LARGEST, Flags, Whole, exact_units, limit_units, rate_units
from risk.closing import LARGEST_LOSS_FIRST
from risk.policy import TIERS, Policy


@dataclass(frozen=True, eq=False)
class Rules:
    """Limits by tier in the order of ``TIERS``; limits in units, rates in parts of 1e-8.

    The limits of exposure may be above ``LARGEST``, which an account itself never is. A limit of an
    order is ``LARGEST`` where there is none.
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

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return a policy's rules. Raises OutOfRange for a threshold that is too high here."""
        states = np.array([policy.limits(tier).tier_state for tier in TIERS])
        return cls(
            max_leverage=np.array([policy.limits(tier).max_leverage for tier in TIERS]),
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
        )

    @cached_property
    def limit_orders(self) -> bool:
        """Whether a tier has a largest value of an order."""
        return bool(self.max_order_value.min() < LARGEST)
