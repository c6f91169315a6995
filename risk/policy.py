"""A risk policy as one frozen value, with a canonical text and a digest.

It is what staff set in the console and what a study of the lab puts in its place. Decimals in USDT,
rates and shares as shares of one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final

from market.kernel.amounts import EXACT, LARGEST_AMOUNT, ZERO, plain
from market.kernel.states import TradingState
from market.windows import LONGEST_WINDOW
from risk.closing import FULL
from risk.maintenance import INITIAL_SHARE, Requirement, requirement_of
from risk.policy_checks import CHECKS, FREE, MARGIN_MODES, MODES, TIERS, PolicyError
from risk.state import CLOSE_OUT_SHARE, CLOSE_OUT_TARGET, Limits

#: What all others find here, though it stands in a module of its own.
__all__ = ["CHECKS", "MARGIN_MODES", "MODES", "TIERS", "PolicyError"]

#: What binds a tier that the policy knows nothing of; nothing else does.
NOT_SAID: Final = {"max_leverage": 1, "tier_state": TradingState.ACTIVE.value}
#: What is said by tier, in columns of the tier's row.
BY_TIER: Final = ("max_leverage", "max_order_value", "max_minute_value", "tier_state")


@dataclass(frozen=True, slots=True)
class Policy:
    """Every column of the risk policy, and what binds each tier, sorted by tier.

    A field with a default is a control, which is off by it.
    """

    max_leverage: tuple[tuple[str, int], ...]
    trading_halted: bool
    max_mark_age_seconds: int
    user_exposure_limit: Decimal
    max_open_orders: int
    global_exposure_threshold: Decimal
    liquidation_threshold: Decimal
    liquidation_mode: str
    liquidation_fee_rate: Decimal
    price_collar: Decimal
    max_order_value: tuple[tuple[str, Decimal], ...] = ()
    trading_reducing: bool = False
    tier_state: tuple[tuple[str, str], ...] = ()
    volatility_window_minutes: int = LONGEST_WINDOW
    volatility_bands: str = ""
    price_band: Decimal = ZERO
    max_minute_value: tuple[tuple[str, Decimal], ...] = ()
    duplicate_seconds: int = 0
    margin_mode: str = INITIAL_SHARE
    maintenance_brackets: str = ""
    close_out_target: Decimal = CLOSE_OUT_TARGET
    close_out_share: Decimal = CLOSE_OUT_SHARE
    max_fills: int = 0
    fills_window_seconds: int = 60

    def limits(self, tier: str, suspended: bool = False, reducing: bool = False) -> Limits:
        """Return the rules in force for an account of a tier."""
        common = {name: getattr(self, name) for name in COMMON}
        own: dict[str, Any] = {
            name: dict(getattr(self, name)).get(tier, NOT_SAID.get(name)) for name in BY_TIER
        }
        return Limits(suspended=suspended, account_reducing=reducing, **own, **common)

    @property
    def requirement(self) -> Requirement:
        """How much equity the positions of an account require."""
        return requirement_of(self)

    @property
    def canonical(self) -> str:
        """The same text for the same policy, in TOML, which ``policy_from`` reads back.

        Without the controls that are off: a policy has the text that it had before there were any.
        """
        values = {name: getattr(self, name) for name in sorted(NAMES)}
        said = (name for name, value in values.items() if name not in OFF or value != OFF[name])
        return "".join(f"{name} = {as_toml(values[name])}\n" for name in said)

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical text."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


NAMES: Final = tuple(field.name for field in fields(Policy))
#: Those of the risk policy's row, and those that the limits of an account have in common with it.
COLUMNS: Final = tuple(name for name in NAMES if name not in BY_TIER)
OFF: Final = {one.name: one.default for one in fields(Policy) if one.default is not MISSING}
COMMON: Final = sorted({field.name for field in fields(Limits)} & set(COLUMNS))
#: What a policy says of who may trade at all. Who changed that changes it back, no study does.
STATES: Final = ("tier_state", "trading_halted", "trading_reducing")


def policy_of(row: Any, *, limits: Mapping[str, Mapping[str, Any]]) -> Policy:
    """Return the policy whose columns ``row`` has as attributes, with the columns of each tier."""
    columns = {name: getattr(row, name) for name in COLUMNS}
    return Policy(**by_tier(limits), **columns)


def by_tier(limits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is said by tier, of rows by tier; a tier without a limit is left out of it."""
    found = {
        name: [(tier, row[name]) for tier, row in limits.items() if row.get(name) not in FREE]
        for name in BY_TIER
    }
    return {name: tuple(sorted(pairs)) for name, pairs in found.items()}


def as_toml(value: Any) -> str:
    """Write a value of a policy as TOML has it."""
    if isinstance(value, tuple):
        return f"{{ {', '.join(f'{key} = {as_toml(one)}' for key, one in value)} }}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return plain(EXACT.plus(value))  # no minus before a zero
    return f'"{value}"' if isinstance(value, str) else str(value)


def policy_from(values: Mapping[str, Any], base: Policy) -> Policy:
    """Return ``base`` with other values. Raises PolicyError at the first that cannot be.

    What is bound by the database is bound here alike. What is said by tier may be one for all; a
    tier that is left out keeps the leverage of ``base``, and has no limit of another kind.
    """
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in CHECKS:
            raise PolicyError(key, f"unknown; a policy has {', '.join(sorted(NAMES))}.")
        checked[key] = CHECKS[key](key, value)
    if "max_leverage" in checked:
        highest = dict(base.max_leverage) | checked["max_leverage"]
        checked["max_leverage"] = tuple(sorted(highest.items()))
    return replace(base, **checked)


#: What an exchange starts with.
SEED: Final = Policy(
    max_leverage=(("advanced", 20), ("beginner", 5), ("intermediate", 10)),
    trading_halted=False,
    max_mark_age_seconds=3600,
    user_exposure_limit=Decimal(5_000_000),
    max_open_orders=200,
    global_exposure_threshold=Decimal(10_000_000),
    liquidation_threshold=Decimal("0.5"),
    liquidation_mode=FULL,
    liquidation_fee_rate=ZERO,
    price_collar=Decimal("0.3"),
)
#: Retail leverage as ESMA's product intervention has it for crypto assets, closed out at half.
ESMA: Final = policy_from({"max_leverage": 2, "liquidation_threshold": Decimal("0.5")}, SEED)
#: Leverage as unregulated venues offer it, no limit that binds, closed out only below nothing.
NONE: Final = policy_from(
    {
        "max_leverage": 125,
        "user_exposure_limit": LARGEST_AMOUNT,
        "global_exposure_threshold": LARGEST_AMOUNT,
        "liquidation_threshold": 0,
    },
    SEED,
)
#: The exchange's own rules, but for leverage that falls with the range of a day.
VOLATILITY: Final = policy_from({"volatility_bands": "0.03: 0.75, 0.06: 0.5"}, SEED)
PRESETS: Final[Mapping[str, Policy]] = {
    "seed": SEED,
    "esma": ESMA,
    "none": NONE,
    "volatility": VOLATILITY,
}
