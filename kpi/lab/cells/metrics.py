"""What the lab tells of a cell, each metric declared once: cells, comparison, report, console and
docs go by METRICS, in its order. ``measuring.py`` takes them.

Amounts and shares are exact decimals, counts whole numbers.
"""

from dataclasses import dataclass
from typing import Final, Literal

from risk.denials import DENIALS
from risk.policy import TIERS

Better = Literal["less", "more", "neither"]

#: The moves of all marks, in percent, for which LaR is told.
LAR_MOVES: Final = (1, 2, 3, 5, 10)
#: Within this time a price that comes back says that closing out was early.
RECOVERY_SECONDS: Final = 24 * 3600
#: A burst, and the span about it whose liquidations it is a share of: as those of October 2025 were
#: published.
BURST_SECONDS: Final = 40 * 60
ABOUT_BURST_SECONDS: Final = 14 * 3600


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a cell. ``better`` says which way of it harms less, if one does.

    Of unit ``UTC`` are seconds since the epoch, whose difference is in seconds.
    """

    name: str
    title: str
    unit: str
    better: Better
    definition: str

    @property
    def difference_unit(self) -> str:
        return "s" if self.unit == "UTC" else self.unit


def usdt(name: str, title: str, definition: str, better: Better = "less") -> Metric:
    return Metric(name, title, "USDT", better, definition)


def count(name: str, title: str, definition: str, better: Better = "less") -> Metric:
    return Metric(name, title, "count", better, definition)


def share(name: str, title: str, definition: str, better: Better = "neither") -> Metric:
    return Metric(name, title, "share", better, definition)


def with_tiers(whole: Metric) -> tuple[Metric, ...]:
    """Return a metric, and the same of each tier's accounts."""
    return whole, *(
        Metric(
            f"{whole.name}_{tier}",
            f"{whole.title}, {tier}",
            whole.unit,
            whole.better,
            f"The same of tier {tier}",
        )
        for tier in TIERS
    )


CLOSE_OUTS: Final = (
    count("close_outs", "Close-outs", "How often accounts in breach were closed out"),
    *with_tiers(
        count("accounts_closed_out", "Accounts closed out", "Distinct accounts closed out"),
    ),
    *with_tiers(
        usdt(
            "liquidated_notional",
            "Liquidated notional",
            "Σ|size| × mark of all that close-outs closed",
        )
    ),
    usdt("liquidated_long", "Liquidated longs", "Liquidated notional of long positions"),
    usdt("liquidated_short", "Liquidated shorts", "Liquidated notional of short positions"),
    share(
        "liquidated_share",
        "Liquidated ÷ open interest",
        "Liquidated notional ÷ peak open interest",
        better="less",
    ),
    share(
        "liquidated_long_share",
        "Longs' share of the liquidated",
        "Liquidated notional of longs ÷ all of it",
    ),
    share(
        "liquidated_burst_share",
        "Share of the worst 40 minutes",
        "Liquidated notional of the 40 minutes that had most of it ÷ that of the 14 hours about"
        " them",
    ),
    count(
        "cascade_depth",
        "Cascade depth",
        "The longest run of consecutive bars that each closed somebody out; of looks, where the"
        " exchange looks less often than once a bar",
    ),
    Metric(
        "impact_largest",
        "Largest impact",
        "%",
        "less",
        "The largest move of a mark by forced trades; none where impact is off",
    ),
)

SHORTFALL: Final = (
    usdt(
        "shortfall",
        "Shortfall",
        "Σ max(−balance, 0) after close-outs, what others had to pay: insurance paid + bad debt",
    ),
    usdt("insurance_paid", "Insurance paid", "What the insurance fund paid of the shortfall"),
    usdt("bad_debt", "Bad debt", "What the insurance fund could not pay of the shortfall"),
    usdt(
        "liquidation_fees",
        "Liquidation fees",
        "Fees of close-outs, which go to the fund",
        better="neither",
    ),
    usdt("fund_end", "Fund at the end", "What the fund holds after the last step", "more"),
    usdt("fund_minimum", "Fund at its lowest", "The least that the fund held", "more"),
    count("fund_ran_dry", "Fund ran dry", "1 if the fund could not pay a shortfall whole, else 0"),
    Metric(
        "fund_ran_dry_at",
        "Fund ran dry at",
        "UTC",
        "more",
        "Time of the first step at which it could not; none if it always could",
    ),
)

EXPOSURE: Final = (
    *(
        usdt(
            f"lar_{move}",
            f"LaR({move} %)",
            f"Notional of the accounts in breach once all marks have moved by {move} %, down or up,"
            " whichever is more; of the sampled step where it is largest",
        )
        for move in LAR_MOVES
    ),
    usdt("exposure_peak", "Peak exposure", "The largest global exposure at the end of a bar"),
    usdt(
        "open_interest_peak",
        "Peak open interest",
        "The largest Σ|size| × mark of all positions at the end of a bar",
        better="neither",
    ),
    usdt(
        "open_interest_mean",
        "Mean open interest",
        "Its mean over the ends of all bars",
        better="neither",
    ),
    share(
        "open_interest_fall",
        "Fall of open interest",
        "Its largest fall within 24 hours, as a share of what it fell from",
    ),
    Metric(
        "leverage_p50",
        "Effective leverage P50",
        "x",
        "less",
        "Σ|size| × mark ÷ equity, the lowest that half of the accounts do not exceed; of those"
        " with positions and equity above 0, at all sampled steps together",
    ),
    Metric("leverage_p95", "Effective leverage P95", "x", "less", "The same for 95 % of them"),
)

TRADERS: Final = (
    count("orders", "Orders", "Orders that accounts sent", better="neither"),
    count("refused", "Refused orders", "Those that were refused", better="neither"),
    *(
        count(
            f"refused_{code}", f"Refused: {code}", f"Those refused with `{code}`", better="neither"
        )
        for code in DENIALS
    ),
    usdt("volume", "Volume", "Notional that accounts traded, close-outs apart", better="more"),
    count("stops", "Own stops", "Accounts that closed by a stop of their own", better="neither"),
    usdt("top_ups", "Top-ups", "What accounts added to their balances", better="neither"),
    *with_tiers(
        usdt(
            "traders_loss",
            "Traders' loss",
            "Opening balances + top-ups − equity at the end; a gain is negative",
        )
    ),
    usdt(
        "lost_before_recovery",
        "Lost before recovery",
        "Losses realised by close-outs on positions whose mark, at the end of a bar within 24"
        " hours, was back at their entry price: the harm of closing early",
    ),
    usdt(
        "books_difference",
        "Difference of the books",
        "Deposits − (balances + fund + house − bad debt); 0, or the cell is wrong",
        better="neither",
    ),
)

METRICS: Final = {metric.name: metric for metric in (*CLOSE_OUTS, *SHORTFALL, *EXPOSURE, *TRADERS)}

#: What a reader asks first, the answer's four before all: offered by the console and the command,
#: and the key figures of a report.
ASKED_FIRST: Final = (
    *("liquidated_notional", "accounts_closed_out", "shortfall", "exposure_peak"),
    *("bad_debt", "fund_minimum", "fund_end", "open_interest_peak", "leverage_p95", "lar_3"),
    *("volume", "refused", "traders_loss", "lost_before_recovery"),
)
