"""The list of metrics, and what docs/lab.md says of them."""

import re

from exchange_poc.settings import BASE_DIR
from kpi.lab.answers.compare import RANGED
from kpi.lab.cells.metrics import ASKED_FIRST, METRICS, Metric

DOCUMENT = (BASE_DIR / "docs/lab.md").read_text(encoding="utf-8")


def row_of(metric: Metric) -> str:
    definition = metric.definition.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.unit} | {definition} | {metric.better} |"


def test_the_document_defines_every_metric_as_the_list_does() -> None:
    section = DOCUMENT.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `.*$", section, flags=re.MULTILINE)
    assert rows == [row_of(one) for one in METRICS.values()]


def test_what_is_shown_first_or_as_a_range_is_a_metric() -> None:
    assert {*ASKED_FIRST, *RANGED} <= METRICS.keys()


def test_a_time_differs_by_seconds() -> None:
    assert METRICS["fund_ran_dry_at"].difference_unit == "s"
    assert METRICS["shortfall"].difference_unit == "USDT"
