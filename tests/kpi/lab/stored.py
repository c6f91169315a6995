"""Studies made by hand, for tests of what keeps and shows them; nothing is computed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kpi.lab.inputs.specs import (
    CellPlan,
    ImpactSpec,
    LabPolicy,
    PopulationSpec,
    Study,
    TapeSpec,
    Variant,
)
from kpi.lab.models import LabStudy
from kpi.lab.services import claim_cell, finish_cell, store_study
from risk.policy import PRESETS

NAMES = ("seed", "esma", "none")


@dataclass(frozen=True)
class Result:
    """What the arithmetic would give for a cell."""

    metrics: dict[str, Any]
    series: dict[str, Any]
    digest: str
    cpu_seconds: float = 0.5


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def study(name: str = "caps", seeds: Sequence[int] = (1, 2)) -> Study:
    """A study of the three presets."""
    policies = tuple(LabPolicy(preset, PRESETS[preset]) for preset in NAMES)
    return Study(
        name=name,
        question="What would lower caps have done?",
        tape=TapeSpec(),
        population=PopulationSpec(),
        impact=ImpactSpec(),
        fund=Decimal(1_000_000),
        instruments=(),
        policies=policies,
        baseline=NAMES[0],
        seeds=tuple(seeds),
        variants=(Variant("ohlc"),),
        canonical=f"name = {name!r}\n",
        digest=sha(f"{name} {seeds}"),
        source=f"name = {name!r}\n",
        file="caps.toml",
        overrides=(("BTCUSDT", "/candles/btc.csv"),),
    )


def plans(asked: Study, rules: str = "1") -> list[CellPlan]:
    """The cells of a study; other ``rules`` give other keys."""
    return [
        CellPlan(policy, seed, variant, sha(f"{rules} {policy.policy.digest} {seed} {variant}"))
        for policy in asked.policies
        for seed in asked.seeds
        for variant in asked.variants
    ]


def store(asked: Study | None = None, **options: Any) -> LabStudy:
    asked = asked or study(**options)
    return store_study(study=asked, plans=plans(asked))


def result(key: str) -> Result:
    """The result of a cell, made of its key."""
    number = int(key[:4], 16)
    amounts = dict.fromkeys(
        ("liquidated_notional", "shortfall", "insurance_paid", "bad_debt"), f"{number}.5"
    )
    times = [1_760_000_000 + 300 * bar for bar in range(50)]
    flat = dict.fromkeys(("long", "short", "liquidated_long", "liquidated_short"), [number] * 50)
    series = {"time": times, "fund": [number - bar for bar in range(50)], **flat}
    return Result({**amounts, "close_outs": number}, series, sha(key))


def compute(stored: LabStudy, most: int = 1_000) -> int:
    """Finish up to ``most`` cells and return how many there were."""
    for count in range(most):
        cell = claim_cell(study=stored, worker="tests:1:1")
        if cell is None:
            return count
        finish_cell(cell=cell, result=result(cell.key))
    return most
