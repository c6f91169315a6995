"""How often a key may call and place orders, as the account policy says of its tier and scopes."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What holds a key. Of None the settings say; of orders in ten seconds it is no limit.

    Where limits ``slide``, they hold in any span of their length, not in fixed windows alone.
    ``weights`` are as ``weights_of`` reads them.
    """

    slide: bool = False
    weights: str = ""
    requests_per_minute: int | None = None
    orders_per_minute: int | None = None
    orders_per_10_seconds: int | None = None


#: Of who calls without a key, by a ticket of the console.
AS_SET: Final = KeyLimits()


def rate_of(per_minute: int | None, setting: str | None) -> str | None:
    """Return the rate that holds, as ``Rate`` reads it; None where nothing does."""
    return setting if per_minute is None else f"{per_minute}/m"
