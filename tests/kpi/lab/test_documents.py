"""What docs/lab.md says of study files is what the code reads, and the example studies are read."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange_poc.settings import BASE_DIR
from kpi.lab.inputs.config import SeedsSpec, cells, read_study
from kpi.lab.inputs.keys import keys_of
from kpi.lab.inputs.population_file import ENTERED, OWN
from kpi.lab.inputs.specs import (
    CrashSpec,
    FundSpec,
    ImpactSpec,
    InstrumentSpec,
    LabPolicy,
    PopulationSpec,
    TapeSpec,
    Variant,
)
from kpi.lab.inputs.sweeps import PolicySpec, SweepSpec
from market.kernel.amounts import plain
from risk.policy import NAMES
from tests.each import each
from tests.kpi.lab.files import candle_file

DOCUMENT = (BASE_DIR / "docs/lab.md").read_text()
STUDIES = sorted((BASE_DIR / "docs/studies").glob("*.toml"))
TABLES = (
    SeedsSpec, TapeSpec, CrashSpec, Variant, InstrumentSpec, PopulationSpec, ImpactSpec, FundSpec,
    PolicySpec, LabPolicy, SweepSpec,
)  # fmt: skip
#: Whose default the reading gives, not the declaration.
LEFT_OUT = {
    (PolicySpec, "name"): "its preset",
    (PopulationSpec, "file"): "the study's name and `.book.jsonl` for the exchange",
    (PopulationSpec, "symbols"): "equal",
    (Variant, "name"): "what it does",
    (Variant, "path"): "the tape's",
    (Variant, "sub_steps"): "the tape's",
    (Variant, "aggregate"): "the tape's",
}


def row_of(spec: type, name: str) -> str:
    """The row of a key in the document."""
    key = keys_of(spec)[name]
    default = LEFT_OUT.get((spec, name), written(default_of(spec, name)))
    return f"| `{name}` | {key.meaning} | {key.unit} | {default} | {key.allowed} |"


def default_of(spec: type, name: str) -> Any:
    return spec.__dataclass_fields__[name].default  # type: ignore[attr-defined]


def written(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(written(one[1] if isinstance(one, tuple) else one) for one in value)
    if isinstance(value, Decimal):
        return plain(value)
    return str(value) if isinstance(value, str | int) else ""


@each("spec", TABLES)
def test_each_key_has_a_row_with_its_unit_default_and_what_is_allowed(spec: type) -> None:
    rows = [row_of(spec, name) for name in keys_of(spec) if (spec, name) != (LabPolicy, "name")]
    assert [row for row in rows if row not in DOCUMENT] == []


def test_the_keys_of_a_policy_and_the_columns_of_a_population_are_named() -> None:
    assert [name for name in (*NAMES, *OWN, *ENTERED) if f"`{name}`" not in DOCUMENT] == []


@each("file", STUDIES)
def test_each_example_study_is_read_and_says_what_it_asks(file: Path, tmp_path: Path) -> None:
    tapes = {}
    if file.stem != "demo":
        tapes = {symbol: candle_file(tmp_path, symbol) for symbol in ("BTCUSDT", "ETHUSDT")}
    study = read_study(file, tapes)
    assert study.question.endswith("?")
    assert len({plan.key for plan in cells(study)}) == len(cells(study)) >= 20


def test_there_are_the_examples_that_the_document_names() -> None:
    assert [file.stem for file in STUDIES] == [
        *("cadence", "controls", "demo", "leverage_caps", "thresholds")
    ]
    assert [file.name for file in STUDIES if f"docs/studies/{file.name}" not in DOCUMENT] == []
