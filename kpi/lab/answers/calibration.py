"""What was published of a market, for a study's figures to be held against."""

from decimal import Decimal
from typing import Final, NamedTuple


class Published(NamedTuple):
    """A published range of shares beside the metric that it is comparable with."""

    metric: str
    low: Decimal
    high: Decimal
    source: str

    @property
    def value(self) -> str:
        ends = dict.fromkeys(f"{100 * end:f}".rstrip("0").rstrip(".") for end in self[1:3])
        return f"{'–'.join(ends)} %"


FALL: Final = Decimal("0.186"), Decimal("0.335")

#: Of 10 and 11 October 2025.
PUBLISHED: Final = (
    Published("liquidated_share", *FALL, "fall of open interest, by venue"),
    Published("open_interest_fall", *FALL, "fall of open interest, by venue"),
    Published(
        "liquidated_burst_share",
        Decimal("0.7"),
        Decimal("0.7"),
        "share of 14 hours' liquidations within 20:50–21:30 UTC",
    ),
    Published(
        "liquidated_long_share", Decimal("0.84"), Decimal("0.91"), "long share of the liquidations"
    ),
)
