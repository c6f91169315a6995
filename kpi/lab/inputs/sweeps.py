"""The policies of a study: those listed, and many made of them by a grid or a sample."""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from math import prod
from typing import Annotated, Any, Final

from kpi.lab.errors import LabError
from kpi.lab.inputs.keys import Choice, Text, Whole, keys_of, shown
from kpi.lab.inputs.specs import LabPolicy
from kpi.lab.inputs.tables import Table
from market.kernel.amounts import plain
from risk.policy import NAMES, PRESETS, PolicyError, policy_from

CADENCE: Final = keys_of(LabPolicy)["cadence"]
#: What a policy may have otherwise than its preset.
CHANGED: Final = {"cadence", *NAMES}
#: A study has no more policies than this.
MOST_POLICIES: Final = 1000
#: Thresholds above it are wider than the whole numbers of the lab.
HIGHEST_THRESHOLD: Final = 5
#: Sampled shares have so many places.
PLACES: Final = Decimal("0.0001")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Many:
    """Values that a policy takes besides its own, their name, and the table that says them."""

    table: Table
    name: str
    values: Values


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
    grid, sweep = document.table("grid"), document.table("sweep")
    many = [*grid_of(grid), *sample_of(sweep)]
    if len(many) * len(tables) > MOST_POLICIES:
        raise document.error("policy", f"more than {MOST_POLICIES} policies; shorten a list.")
    policies = [one for table in tables for one in made_of(table, many)]
    if many and all(table.values.get("fixed") for table in tables):
        raise document.error("policy", "all are fixed, so that [grid] or [sweep] makes none.")
    names = [policy.name for policy in policies]
    for name in names:
        if names.count(name) > 1:
            raise document.error("policy", f"two are called {name!r}; give each a name.")
    return tuple(policies)


def made_of(table: Table, many: Sequence[Many]) -> Iterator[LabPolicy]:
    """Yield the policy of a table, or those that grid and sweep make of it. Raises StudyError."""
    fixed = table.values.get("fixed", False)
    if not isinstance(fixed, bool):
        raise table.error("fixed", f"true or false, not {shown(fixed)}.")
    spec = PolicySpec(**table.read_keys(PolicySpec, besides={"fixed", *CHANGED}))
    name = spec.name or spec.preset
    own = {key: one for key, one in table.values.items() if key in CHANGED}
    policy = changed(LabPolicy(name, PRESETS[spec.preset]), Many(table, "", own))
    if fixed or not many:
        yield policy
        return
    for others in many:
        yield changed(replace(policy, name=f"{name} {others.name}"), others)


def changed(policy: LabPolicy, to: Many) -> LabPolicy:
    """Return a policy with other values. Raises StudyError, naming the table that says them."""
    values, cadence = dict(to.values), policy.cadence
    if "cadence" in values:
        cadence = replace(to.table, values=values).read("cadence", CADENCE)
        del values["cadence"]
    try:
        value = policy_from(values, policy.policy)
    except PolicyError as error:
        raise to.table.error(error.key, error.message) from None
    if value.liquidation_threshold > HIGHEST_THRESHOLD:
        raise to.table.error("liquidation_threshold", f"the lab goes up to {HIGHEST_THRESHOLD}.")
    return LabPolicy(policy.name, value, cadence)


def grid_of(grid: Table) -> Iterable[Many]:
    """Return each combination of the values listed. Raises StudyError."""
    grid.check_keys(CHANGED)
    for key, values in grid.values.items():
        if not isinstance(values, list) or not values:
            raise grid.error(key, f"a list of values, not {shown(values)}.")
    if prod(map(len, grid.values.values())) > MOST_POLICIES:
        raise grid.error("", f"more than {MOST_POLICIES} combinations; shorten a list.")
    if not grid.values:
        return []
    combined = product(*([(key, value) for value in grid.values[key]] for key in grid.values))
    return [many(grid, dict(pairs)) for pairs in combined]


def sample_of(sweep: Table) -> Iterable[Many]:
    """Return policies sampled from ranges, each once. Raises StudyError."""
    if not sweep.values:
        return []
    spec = SweepSpec(**sweep.read_keys(SweepSpec, besides={"ranges"}))
    ranges = sweep.table("ranges")
    ranges.check_keys(CHANGED)
    bounds = {key: range_of(ranges, key) for key in ranges.values}
    if not bounds:
        raise sweep.error("ranges", "missing; it is a table such as max_leverage = [2, 20].")
    if spec.kind == "sobol" and spec.samples.bit_count() > 1:
        raise sweep.error("samples", f"a power of two for Sobol, not {spec.samples}.")
    made = [
        many(
            ranges, {key: between(*bounds[key], at) for key, at in zip(bounds, point, strict=True)}
        )
        for point in sampled(spec, len(bounds))
    ]
    return {one.name: one for one in made}.values()


def range_of(ranges: Table, key: str) -> tuple[Any, Any]:
    """Return the lowest and the highest value of a range. Raises StudyError."""
    value = ranges.values[key]
    if isinstance(value, list) and len(value) == 2 and all(map(is_number, value)):
        low, high = value
        if low < high:
            return low, high
    raise ranges.error(key, f"[lowest, highest] of numbers, not {shown(value)}.")


def is_number(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) and not isinstance(value, bool)


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


def many(table: Table, values: Values) -> Many:
    """Return values of a table under a name that says them."""
    words = (f"{key.removeprefix('liquidation_')}={name_of(one)}" for key, one in values.items())
    return Many(table, " ".join(words), values)


def name_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return "/".join(str(one) for one in value.values())
    return plain(value) if isinstance(value, Decimal) else shown(value).strip("'")
