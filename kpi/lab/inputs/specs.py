"""What a study asks for, as frozen values: tape, population, impact, policies, variants.

Each key of a study file is declared once, with its default, what it may be and where its value
comes from; reading, the canonical text, the test of the documentation and the report's table of
assumptions go by these declarations. Money in USDT, shares as parts of one.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal as D
from typing import Annotated, Final

from kpi.lab.inputs.keys import LARGEST, Choice, Moment, Number, Symbols, Text, Whole
from kpi.lab.inputs.population_spec import PopulationSpec as PopulationSpec
from risk.policy import Policy


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """The trading rules of a symbol."""

    symbol: Annotated[str, Text("The symbol.")]
    tick_size: Annotated[
        D, Number("Smallest step of a price.", unit="USDT", low=D("1e-8"), high=D(10**6))
    ]
    lot_size: Annotated[
        D, Number("Smallest step of a size.", unit="base asset", low=D("1e-8"), high=D(10**6))
    ]
    min_notional: Annotated[
        D, Number("Smallest size × price of an order.", unit="USDT", high=D(LARGEST))
    ] = D(5)
    taker_fee_rate: Annotated[
        D, Number("Fee of a market order, as a share of its notional.", high=D("0.99999999"))
    ] = D(0)


#: Those of the demo.
INSTRUMENTS: Final = {
    "BTCUSDT": InstrumentSpec("BTCUSDT", D("0.01"), D("0.00001")),
    "ETHUSDT": InstrumentSpec("ETHUSDT", D("0.01"), D("0.0001")),
}

Path = Annotated[
    str, Choice("Prices of a bar: its close, or four, by direction.", ("close", "ohlc"))
]
SubSteps = Annotated[
    int, Whole("Linear points of each segment of the path.", unit="points", low=1, high=100)
]
Aggregate = Annotated[int, Whole("Bars that are merged into one.", unit="bars", low=1, high=10_000)]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to read the tape: how many steps a bar has, and how many bars are merged before."""

    name: Annotated[str, Text("Name of the variant.")]
    path: Path = "ohlc"
    sub_steps: SubSteps = 1
    aggregate: Aggregate = 1


@dataclass(frozen=True, slots=True)
class CrashSpec:
    """A made-up tape with a fall, for trials without any file."""

    symbols: Annotated[tuple[str, ...], Symbols("Instruments that have a price.")] = (
        "BTCUSDT",
        "ETHUSDT",
    )
    seed: Annotated[int, Whole("Another seed makes other candles.", high=2**32)] = 1
    bars: Annotated[int, Whole("Length of the tape.", unit="bars", low=100, high=100_000)] = 576
    bar_minutes: Annotated[int, Whole("Length of a bar.", unit="minutes", low=1, high=1440)] = 5
    fall: Annotated[D, Number("Share of the price that is lost.", high=D("0.9"))] = D("0.16")


@dataclass(frozen=True, slots=True)
class TapeSpec:
    """Where prices come from: files of candles by symbol, or a made-up crash.

    ``sha256`` names the content: of the files' bytes, or of what a crash is made of.
    """

    kind: Annotated[str, Choice("Files, or a made-up crash.", ("files", "crash"))] = "files"
    files: tuple[tuple[str, str], ...] = ()
    crash: CrashSpec = CrashSpec()
    path: Path = "ohlc"
    sub_steps: SubSteps = 1
    aggregate: Aggregate = 1
    start: Annotated[datetime | None, Moment("First open time that is used.", unit="UTC")] = None
    end: Annotated[datetime | None, Moment("First open time no longer used.", unit="UTC")] = None
    sha256: str = ""

    @property
    def symbols(self) -> tuple[str, ...]:
        if self.kind == "crash":
            return self.crash.symbols
        return tuple(symbol for symbol, _ in self.files)


@dataclass(frozen=True, slots=True)
class ImpactSpec:
    """How forced trades move marks: ``y · σ · sgn(F) · √(|F| · weight ÷ V)`` of decayed flow F."""

    mode: Annotated[
        str,
        Choice(
            "None, all of it, or as far as it differs from the baseline's.",
            ("none", "absolute", "differential"),
        ),
    ] = "none"
    y: Annotated[
        D,
        Number(
            "Size of the impact.",
            high=D(100),
            source="assumption; the square root: Donier & Bonart, arXiv 1412.4503",
        ),
    ] = D(1)
    half_life_minutes: Annotated[
        D,
        Number(
            "Time in which half of a flow is forgotten.",
            unit="minutes",
            low=D("0.01"),
            high=D(10**6),
        ),
    ] = D(60)
    weight: Annotated[
        D, Number("How many times the population stands for itself in the market.", high=D(10**6))
    ] = D(1)


@dataclass(frozen=True, slots=True)
class FundSpec:
    """The insurance fund."""

    opening: Annotated[D, Number("What it holds at the start.", unit="USDT", high=D(LARGEST))] = D(
        100_000
    )


@dataclass(frozen=True, slots=True)
class LabPolicy:
    """A policy under its name in the study, and how often the exchange looks at accounts."""

    name: Annotated[str, Text("Name of the policy.")]
    policy: Policy
    cadence: Annotated[
        int, Whole("Steps from one look to the next.", unit="steps", low=1, high=100_000)
    ] = 1


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it was asked for, with all defaults in place.

    ``fund`` is what the insurance fund holds at the start. ``canonical`` is the text of all that
    matters, with contents of files by their SHA-256, and ``digest`` the SHA-256 of that text.
    ``source``, ``file`` and ``overrides`` are what it was read from.
    """

    name: str
    question: str
    tape: TapeSpec
    population: PopulationSpec
    impact: ImpactSpec
    fund: D
    instruments: tuple[InstrumentSpec, ...]
    policies: tuple[LabPolicy, ...]
    baseline: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    source: str
    file: str
    overrides: tuple[tuple[str, str], ...]
    canonical: str = ""
    digest: str = ""

    def policy(self, name: str) -> LabPolicy:
        """Return a policy by its name. Raises KeyError."""
        return {policy.name: policy for policy in self.policies}[name]


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One cell to compute; ``key`` is the SHA-256 of all that determines it."""

    policy: LabPolicy
    seed: int
    variant: Variant
    key: str
