"""What a study asks for of its population, as one frozen value."""

from dataclasses import dataclass
from decimal import Decimal as D
from typing import Annotated, Final

from kpi.lab.inputs.keys import LARGEST, ByTier, Choice, Number, Pairs, Text, Weights, Whole
from risk.policy import TIERS


def by_tier(*values: str) -> Pairs:
    return tuple(zip(TIERS, map(D, values), strict=True))


TIER_SHARES: Final = by_tier("0.6", "0.3", "0.1")
MEDIANS: Final = by_tier("2000", "10000", "50000")

OPEN_INTEREST: Final = (
    "open interest by leverage on a large venue, December 2025: 36 % up to 3x, 48 % 3–7x, "
    "15 % above"
)


@dataclass(frozen=True, slots=True)
class PopulationSpec:
    """Who trades: drawn by seed, read from a file, or taken from the running exchange.

    Accounts of the exchange are taken into a file once. ``sha256`` names the content of the file.
    Below ``stickiness`` all keys concern a drawn population alone.
    """

    kind: Annotated[str, Choice("Where accounts come from.", ("seeded", "file", "exchange"))] = (
        "seeded"
    )
    file: Annotated[
        str, Text("Accounts and their entries as CSV; or where those of the exchange are kept.")
    ] = ""
    sha256: str = ""
    stickiness: Annotated[
        D,
        Number(
            "Share of the notional lost to a cap that traders restore by tying up more.",
            source="Heimer & Simsek: a cap cut volume by 23 %",
        ),
    ] = D(0)
    accounts: Annotated[
        int, Whole("Number of accounts.", unit="accounts", low=1, high=1_000_000)
    ] = 20_000
    tiers: Annotated[Pairs, ByTier("Share of accounts; adds up to 1.")] = TIER_SHARES
    wealth_median: Annotated[
        Pairs, ByTier("Median opening balance.", unit="USDT", low=D(1), high=D(LARGEST))
    ] = MEDIANS
    wealth_sigma: Annotated[D, Number("Standard deviation of its logarithm.", high=D(5))] = D("1.2")
    leverage_median: Annotated[
        D, Number("Median leverage wanted.", low=D(1), high=D(1000), source=OPEN_INTEREST)
    ] = D(8)
    leverage_sigma: Annotated[
        D, Number("Standard deviation of its logarithm.", high=D(5), source=OPEN_INTEREST)
    ] = D("0.9")
    used_least: Annotated[
        D, Number("Least share of the balance that an entry ties up.", source=OPEN_INTEREST)
    ] = D("0.05")
    used_span: Annotated[
        D, Number("What a draw u adds to that share, times u².", source=OPEN_INTEREST)
    ] = D("0.75")
    symbols: Annotated[
        Pairs, Weights("Weights of symbols among entries; equal if left out.", high=D(10**6))
    ] = ()
    second_share: Annotated[
        D, Number("Share of accounts that enter a second symbol too, each with half the margin.")
    ] = D(0)
    long_share: Annotated[
        D,
        Number(
            "Share of entries that are long.",
            source="long share of the liquidations of 10–11 October 2025: 84–91 %",
        ),
    ] = D("0.55")
    entry_from: Annotated[D, Number("First entry, as a share of the tape's span.")] = D(0)
    entry_until: Annotated[D, Number("Last entry, as a share of the tape's span.")] = D(1)
    holding_median: Annotated[
        D, Number("Median time until exit.", unit="hours", low=D("0.01"), high=D(100_000))
    ] = D(24)
    holding_sigma: Annotated[D, Number("Standard deviation of its logarithm.", high=D(5))] = D(1)
    stop_share: Annotated[D, Number("Share of accounts that have a stop.")] = D("0.3")
    stop_least: Annotated[D, Number("Lowest stop, equity over opening balance.")] = D("0.5")
    stop_most: Annotated[D, Number("Highest stop, equity over opening balance.")] = D("0.9")
    top_up_share: Annotated[D, Number("Share of accounts that top up, once.")] = D("0.2")
    top_up_least: Annotated[D, Number("Lowest level for it, equity over opening balance.")] = D(
        "0.3"
    )
    top_up_most: Annotated[D, Number("Highest level for it, equity over opening balance.")] = D(
        "0.7"
    )
    top_up_amount: Annotated[
        D, Number("What a top-up brings, over the opening balance.", high=D(5))
    ] = D("0.25")
