"""A risk policy as whole numbers: what orders and close-outs of many accounts are held against."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from risk.arrays.units import Whole, exact_units, rate_units
from risk.closing import LARGEST_LOSS_FIRST
from risk.policy import TIERS, Policy


@dataclass(frozen=True, eq=False)
class Rules:
    """Leverage by tier, in the order of ``TIERS``; limits in units, rates in parts of 1e-8.

    The limits of exposure may be above ``LARGEST``, which an account itself never is.
    """

    max_leverage: Whole
    user_exposure_limit: int
    global_exposure_threshold: int
    threshold: int
    partly: bool
    fee_rate: int
    halted: bool

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return a policy's rules. Raises OutOfRange for a threshold that is too high here."""
        return cls(
            max_leverage=np.array([policy.limits(tier).max_leverage for tier in TIERS]),
            user_exposure_limit=exact_units(policy.user_exposure_limit),
            global_exposure_threshold=exact_units(policy.global_exposure_threshold),
            threshold=rate_units(policy.liquidation_threshold),
            partly=policy.liquidation_mode == LARGEST_LOSS_FIRST,
            fee_rate=rate_units(policy.liquidation_fee_rate),
            halted=policy.trading_halted,
        )
