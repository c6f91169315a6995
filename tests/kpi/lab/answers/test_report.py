"""The report: it answers first, shows its numbers, and asks nothing of the network."""

import re
from base64 import b64decode
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from kpi.lab.answers.calibration import PUBLISHED
from kpi.lab.answers.compare import compare
from kpi.lab.answers.findings import Findings
from kpi.lab.answers.report import report
from kpi.lab.answers.report.crossed import cadence, grid
from kpi.lab.answers.report.section import Material
from kpi.lab.cells.metrics import METRICS
from kpi.lab.inputs.config import study_of
from kpi.lab.inputs.specs import Study
from tests.kpi.lab.outcomes import Closed, Made

ASKED = """
question = "What would <b>two</b> have done?"
seeds = [1, 2]
[tape]
kind = "crash"
[population]
accounts = 100
long_share = 0.6
[[policy]]
name = "seed"
[[policy]]
name = "$2 & <i>less"
liquidation_threshold = 0.4
[[policy]]
name = "seldom"
cadence = 16
[[policy]]
name = "both"
liquidation_threshold = 0.4
cadence = 16
[[variant]]
path = "close"
"""
CROSSED = """
seeds = [1]
[tape]
kind = "crash"
[grid]
liquidation_threshold = [0.25, 0.5]
[[policy]]
name = "narrow"
max_leverage = 2
[[policy]]
name = "wide"
max_leverage = 50
"""


def study_from(text: str) -> Study:
    return study_of(text, file="crash.toml", overrides={})


def results_of(study: Study) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Return cells that differ by policy, seed and variant."""
    found = {}
    for n, policy in enumerate(study.policies, start=1):
        for seed in study.seeds:
            for m, variant in enumerate(study.variants, start=1):
                closed = [Closed(bad_debt=n * m * 10**13 + seed, lots=n * 100_000)]
                made = Made(closed=closed, long_lots=[200_000] * 36).metrics()
                found[policy.name, seed, variant.name] = made
    return found


def series_of(study: Study) -> dict[str, dict[str, Any]]:
    lines = ("fund", "long", "short", "liquidated_long", "liquidated_short")
    times = [1_760_000_400 + 300 * n for n in range(100)]
    return {
        policy.name: {
            "time": times,
            "price": {"BTCUSDT": [str(100 - n / 10) for n in range(100)]},
            **{name: [n * n for n in range(100)] for name in lines},
        }
        for policy in study.policies
    }


MANIFEST = {
    "commit": "0123abc",
    "tape": {"variants": [{"name": "ohlc", "rows": 576}]},
    "cells": [{"key": "k", "digest": "d"}],
}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    study, out = study_from(ASKED), tmp_path_factory.mktemp("report")
    results = results_of(study)
    comparison = compare(study, results)
    path, *beside = report(study, results, comparison, MANIFEST, out, series=series_of(study))
    assert {one.name for one in beside} == {
        "manifest.json",
        "cells.csv",
        "comparison.csv",
        "cells.parquet",
    }
    assert '"digest": "d"' in (out / "manifest.json").read_text(encoding="utf-8")
    return path.read_text(encoding="utf-8")


def text_of(html: str) -> str:
    """Return what a reader sees, in one line."""
    without = re.sub(r"<style>.*?</style>|<title>.*?</title>|<[^>]+>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(without))


def plots_of(html: str) -> list[str]:
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    return [b64decode(one).decode() for one in found]


def test_it_begins_with_the_question_and_its_answer(html: str) -> None:
    text = text_of(html)
    question = text.index("What would <b>two</b> have done?")
    answer = text.index("Compared with seed, over 2 seeds, $2 & <i>less would have liquidated")
    assert question < answer < text.index("Key figures") < text.index("The answer in pictures")
    assert "over 2 resolutions of the candles" in text[answer : answer + 400]


def test_it_fetches_nothing_and_runs_nothing(html: str) -> None:
    assert "http" not in html
    assert not re.search(r"<script|<link|<iframe|@import|url\(|\bon\w+=", html)
    assert set(re.findall(r'(?:src|href)="(\w+):', html)) == {"data"}
    for svg in plots_of(html):
        assert not re.search(r'(?:href|src)="(?!#|data:image/png;)', svg)
        assert "<script" not in svg


def test_every_plot_has_words_for_those_who_cannot_see_it_and_its_numbers(html: str) -> None:
    sections = re.findall(r"<section>.*?</section>", html, flags=re.DOTALL)
    titles = [re.search(r"<h3>(.*?)</h3>", one)[1] for one in sections]  # type: ignore[index]
    assert titles == [
        "What each policy would have changed against seed",
        "Shortfall, by the resolution of the candles",
        "Prices, and what was liquidated",
        "Insurance fund",
        "Open interest by side",
        "Liquidity at risk",
        "Limits and threshold",
        "Shortfall and bad debt, by how often the exchange looks",
        "Who is hit",
        "Calibration",
    ]
    for one in sections:
        assert re.search(r'alt="[^"]{20,}"', one)
        assert one.count("<tr>") > 1


def test_bad_debt_stands_as_a_range_over_resolutions(html: str) -> None:
    assert re.search(r"Bad debt, USDT \(over the resolutions\) 100,000 to 200,000", text_of(html))


def test_assumptions_say_where_they_come_from(html: str) -> None:
    text = text_of(html)
    assert "population.long_share 0.6 Share of entries that are long. set by the study" in text
    assert re.search(r"population\.wealth_sigma 1\.2 [^.]+\. assumption", text)
    assert "arXiv 1412.4503" in text


def test_calibration_stands_beside_what_was_published(html: str) -> None:
    text = text_of(html)
    for one in PUBLISHED:
        assert f"{one.value} {one.source}" in text
    assert "100.00 % 84–91 %" in text


def test_it_says_how_to_repeat_it(html: str) -> None:
    text = text_of(html)
    assert "python manage.py lab run crash.toml" in text
    assert "commit 0123abc" in text
    assert "tape.variants[0].rows 576" in text
    assert "accounts = 100" in text


def test_every_metric_stands_in_it_with_its_definition(html: str) -> None:
    text = text_of(html)
    for name, metric in METRICS.items():
        if name not in ("fund_ran_dry_at", "impact_largest", "leverage_p50", "leverage_p95"):
            assert f"{metric.title} {metric.unit}" in text, name


def test_crossed_policies_have_a_heat_map_and_a_curve_by_cadence(html: str) -> None:
    text = text_of(html)
    assert "Threshold 5/10/20, looks every 1 5/10/20, looks every 16" in text
    assert "Every 1: shortfall / bad debt Every 16: shortfall / bad debt" in text


def test_the_heat_map_has_a_column_for_each_set_of_limits() -> None:
    section = grid(material_of(study_from(CROSSED)))
    assert section is not None
    head, *rows = section.rows
    assert head == ("Threshold", "2/2/2", "50/50/50")
    assert [row[0] for row in rows] == ["25 %", "50 %"]


def test_policies_that_nothing_crosses_have_neither() -> None:
    two = study_from(ASKED.partition('[[policy]]\nname = "seldom"')[0])
    assert len(two.policies) == 2
    assert grid(material_of(two)) is None
    assert cadence(material_of(two)) is None


def material_of(study: Study) -> Material:
    return Material(study, Findings(compare(study, results_of(study))), {})


def test_without_cells_it_says_that_there_is_no_answer_yet(tmp_path: Path) -> None:
    study = study_from(ASKED)
    path, *_ = report(study, {}, compare(study, {}), {}, tmp_path, series={})
    text = text_of(path.read_text(encoding="utf-8"))
    assert "There is nothing to compare yet" in text
    assert "Insurance fund" not in text
