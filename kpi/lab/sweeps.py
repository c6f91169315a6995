"""The policies of a study: those listed, and many made of them by a grid or a sample."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Annotated, Any, Final

from kpi.lab.errors import LabError
from kpi.lab.keys import Choice, Text, Whole, keys_of, shown
from kpi.lab.specs import LabPolicy
from kpi.lab.tables import Table
from market.kernel.amounts import plain
from risk.policy import NAMES, PRESETS, PolicyError, policy_from

#: A study has no more policies than this.
MOST_POLICIES: Final = 1000
#: Thresholds above it are wider than the whole numbers of the lab.
HIGHEST_THRESHOLD: Final = 5
#: Sampled shares have so many places.
PLACES: Final = Decimal("0.0001")

Values = Mapping[str, Any]


class ScipyMissing(LabError):
    code = "scipy_missing"
    detail = (
        "[sweep] kind: Latin hypercubes and Sobol sequences need scipy, which the lab does not "
        "install; install it (pip install scipy), or list values under [grid]."
    )


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy as listed, besides its own values and whether grid and sweep leave it alone."""

    name: Annotated[str, Text("Name of the policy.")] = ""
    preset: Annotated[str, Choice("What it begins with.", tuple(PRESETS))] = "seed"


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """Policies sampled from ranges."""

    kind: Annotated[str, Choice("Latin hypercube, or Sobol sequence.", ("lhs", "sobol"))] = "lhs"
    samples: Annotated[int, Whole("Policies made of each one listed.", low=1, high=1000)] = 16
    seed: Annotated[int, Whole("Another seed samples others.", high=2**32)] = 1


def read_policies(document: Table) -> tuple[LabPolicy, ...]:
    """Return the policies of a study, ``seed`` alone where it names none. Raises StudyError."""
    tables = document.tables("policy") or [Table(document.file, "[[policy]] 1", {})]
    many = [*grid_of(document.table("grid")), *sample_of(document)]
    policies = [one for table in tables for one in made_of(table, many)]
    if many and all(table.values.get("fixed") for table in tables):
        raise document.error("grid", "it makes nothing of policies that are all fixed.")
    if len(policies) > MOST_POLICIES:
        raise document.error("policy", f"{len(policies)} policies; at most {MOST_POLICIES}.")
    names = [policy.name for policy in policies]
    for name in names:
        if names.count(name) > 1:
            raise document.error("policy", f"two are called {name!r}; give each a name.")
    return tuple(policies)


def made_of(table: Table, many: list[tuple[str, Values]]) -> Iterator[LabPolicy]:
    """Yield the policy of a table, or those that grid and sweep make of it. Raises StudyError."""
    fixed = table.values.get("fixed", False)
    if not isinstance(fixed, bool):
        raise table.error("fixed", f"true or false, not {shown(fixed)}.")
    given = table.read_keys(PolicySpec, besides={"fixed", "cadence", *NAMES})
    spec = PolicySpec(**given)
    name = spec.name or spec.preset
    values = {key: one for key, one in table.values.items() if key in {"cadence", *NAMES}}
    if fixed or not many:
        yield policy_of(table, name, spec.preset, values)
        return
    for suffix, others in many:
        yield policy_of(table, f"{name} {suffix}", spec.preset, values | dict(others))


def policy_of(table: Table, name: str, preset: str, values: Values) -> LabPolicy:
    """Return a preset with other values under a name. Raises StudyError."""
    cadence = values.get("cadence", 1)
    if "cadence" in values:
        cadence = Table(table.file, table.title, values).read("cadence", CADENCE)
    changed = {key: value for key, value in values.items() if key != "cadence"}
    try:
        policy = policy_from(changed, PRESETS[preset])
    except PolicyError as error:
        raise table.error(error.key, error.message) from None
    if policy.liquidation_threshold > HIGHEST_THRESHOLD:
        raise table.error("liquidation_threshold", f"the lab goes up to {HIGHEST_THRESHOLD}.")
    return LabPolicy(name, policy, cadence)


def grid_of(grid: Table) -> list[tuple[str, Values]]:
    """Return each combination of the values listed, after its name. Raises StudyError."""
    grid.check_keys({"cadence", *NAMES})
    for key, values in grid.values.items():
        if not isinstance(values, list) or not values:
            raise grid.error(key, f"a list of values, not {shown(values)}.")
    if not grid.values:
        return []
    combined = product(*([(key, value) for value in grid.values[key]] for key in grid.values))
    return [named(dict(pairs)) for pairs in combined]


def sample_of(document: Table) -> list[tuple[str, Values]]:
    """Return policies sampled from ranges, after their names. Raises StudyError."""
    if "sweep" not in document.values:
        return []
    sweep = document.table("sweep")
    spec = SweepSpec(**sweep.read_keys(SweepSpec, besides={"ranges"}))
    ranges = sweep.table("ranges")
    ranges.check_keys({"cadence", *NAMES})
    bounds = {key: range_of(ranges, key) for key in ranges.values}
    if not bounds:
        raise sweep.error("ranges", "missing; it is a table such as max_leverage = [2, 20].")
    if spec.kind == "sobol" and spec.samples.bit_count() > 1:
        raise sweep.error("samples", f"a power of two for Sobol, not {spec.samples}.")
    made = [
        named({key: between(*bounds[key], at) for key, at in zip(bounds, point, strict=True)})
        for point in sampled(spec, len(bounds))
    ]
    return list(dict(made).items())  # whole numbers of a short range come more than once


def range_of(ranges: Table, key: str) -> tuple[Any, Any]:
    """Return the lowest and the highest value of a range. Raises StudyError."""
    match ranges.values[key]:
        case [int() | Decimal() as low, int() | Decimal() as high] if low < high:
            return low, high
        case value:
            raise ranges.error(key, f"[lowest, highest] of numbers, not {shown(value)}.")


def between(low: Any, high: Any, at: float) -> Any:
    """Return what stands at a share of a range: a whole number where both ends are."""
    if isinstance(low, int) and isinstance(high, int):
        return low + int(at * (high - low + 1))
    return (low + (high - low) * Decimal(at)).quantize(PLACES)


def sampled(spec: SweepSpec, dimensions: int) -> Iterable[Iterable[float]]:
    """Return points of the unit cube. Raises ScipyMissing."""
    try:
        qmc = importlib.import_module("scipy.stats.qmc")
    except ImportError as error:
        raise ScipyMissing from error
    sampler = {"lhs": qmc.LatinHypercube, "sobol": qmc.Sobol}[spec.kind]
    points: list[list[float]] = sampler(dimensions, seed=spec.seed).random(spec.samples).tolist()
    return points


def named(values: Values) -> tuple[str, Values]:
    """Return values after a name that says them."""
    words = (f"{key.removeprefix('liquidation_')}={name_of(one)}" for key, one in values.items())
    return " ".join(words), values


def name_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return "/".join(str(one) for one in value.values())
    return plain(value) if isinstance(value, Decimal) else shown(value).strip("'")


CADENCE: Final = keys_of(LabPolicy)["cadence"]
