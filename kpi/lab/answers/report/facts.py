"""The tables of a report that draw nothing: figures, policies, assumptions, how it was computed."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from kpi.lab.answers.findings import NOTHING, Findings, figure
from kpi.lab.answers.report.section import Table
from kpi.lab.cells.metrics import ASKED_FIRST, METRICS
from kpi.lab.inputs.keys import ASSUMPTION, keys_of
from kpi.lab.inputs.specs import FundSpec, Study
from market.kernel.amounts import plain
from risk.policy import TIERS, Policy

RANGED: Final = ("shortfall", "bad_debt")


def key_figures(findings: Findings) -> Table:
    """Return the means over the seeds by policy; what candles make is a range over variants."""
    rows: list[Sequence[str]] = [(f"Mean over the seeds, {findings.main}", *findings.policies)]
    for metric in (METRICS[name] for name in ASKED_FIRST):
        ranged = metric.name in RANGED and len(findings.variants) > 1
        say = _range if ranged else _mean
        unit = "" if metric.unit == "count" else f", {metric.unit}"
        title = f"{metric.title}{unit}" + (" (over the resolutions)" if ranged else "")
        rows.append((title, *(say(findings, metric.name, p) for p in findings.policies)))
    return rows


def every_metric(findings: Findings) -> Table:
    """Return each metric that some cell has, with its definition."""
    rows: list[Sequence[str]] = [("Metric", "Unit", "Definition", *findings.policies)]
    for metric in METRICS.values():
        means = [findings.mean(metric.name, policy) for policy in findings.policies]
        if any(mean is not None for mean in means):
            said = (figure(mean, metric.unit) for mean in means)
            rows.append((metric.title, metric.unit, metric.definition.replace("`", ""), *said))
    return rows


def tails(findings: Findings) -> Table:
    rows: list[Sequence[str]] = [
        ("Policy", "Resolution", "Seeds", "VaR 95 of the shortfall, USDT", "ES 95, USDT")
    ]
    for one in findings.comparison["tails"]:
        worst = (figure(one["var_95"], "USDT"), figure(one["es_95"], "USDT"))
        rows.append((one["policy"], one["variant"], str(one["n"]), *worst))
    return rows


def policies(study: Study) -> Table:
    rows: list[Sequence[str]] = [
        ("Policy", "Leverage", "Closes out below", "How", "Fee", "Looks every", "Digest")
    ]
    for one in study.policies:
        rule = one.policy
        leverage = dict(rule.max_leverage)
        rows.append(
            (
                one.name + (" (baseline)" if one.name == study.baseline else ""),
                " / ".join(f"{leverage[tier]}x" for tier in TIERS),
                required_by(rule),
                rule.liquidation_mode.replace("_", " "),
                f"{plain(100 * rule.liquidation_fee_rate)} %",
                "step" if one.cadence == 1 else f"{one.cadence} steps",
                rule.digest[:12],
            )
        )
    return rows


def required_by(rule: Policy) -> str:
    """Say below what an account is closed out."""
    if rule.requirement.is_by_brackets:
        return "maintenance by brackets"
    return f"{plain(100 * rule.liquidation_threshold)} % of margin"


def resolutions(study: Study) -> Table:
    rows: list[Sequence[str]] = [
        ("Resolution", "Prices of a bar", "Points from one to the next", "Bars merged into one")
    ]
    kinds = {"close": "its close", "ohlc": "open, low and high by direction, close"}
    for one in study.variants:
        rows.append((one.name, kinds[one.path], str(one.sub_steps), str(one.aggregate)))
    return rows


def assumptions(study: Study) -> Table:
    """Return every key that the study rests on: its value, and where that comes from."""
    rows: list[Sequence[str]] = [("Key", "Value", "What it is", "Source")]
    for table, spec in _specs(study):
        for name, key in keys_of(spec).items():
            value = getattr(spec, name)
            source = key.source if value == getattr(type(spec)(), name) else "set by the study"
            meaning = key.meaning + (f" ({key.unit})" if key.unit else "")
            rows.append((f"{table}.{name}", written(value), meaning, source or ASSUMPTION))
    return rows


def _specs(study: Study) -> Iterator[tuple[str, Any]]:
    yield "tape", study.tape
    if study.tape.kind == "crash":
        yield "tape.crash", study.tape.crash
    yield "population", study.population
    yield "impact", study.impact
    yield "fund", FundSpec(opening=study.fund)


def written(value: Any) -> str:
    match value:
        case None | "" | ():
            return NOTHING
        case Decimal():
            return plain(value)
        case tuple():
            return ", ".join(
                f"{one[0]} {plain(one[1])}" if isinstance(one, tuple) else str(one) for one in value
            )
        case _:
            return str(value)


def manifest_rows(manifest: Mapping[str, Any], place: str = "") -> Iterator[Sequence[str]]:
    """Yield the facts of a manifest by dotted name, all but long texts and the list of cells."""
    for name, value in manifest.items():
        match value:
            case Mapping():
                yield from manifest_rows(value, f"{place}{name}.")
            case list() if name == "cells":
                yield f"{place}{name}", f"{len(value)}, each with key and digest, in manifest.json"
            case list():
                for number, one in enumerate(value):
                    inner = one if isinstance(one, Mapping) else {"": one}
                    yield from manifest_rows(inner, f"{place}{name}[{number}].")
            case _ if name != "canonical":
                yield f"{place}{name}", str(value)


def _mean(findings: Findings, metric: str, policy: str) -> str:
    return figure(findings.mean(metric, policy), METRICS[metric].unit)


def _range(findings: Findings, metric: str, policy: str) -> str:
    found = findings.range(metric, policy)
    if found is None:
        return NOTHING
    low, high = figure(found["low"], "USDT"), figure(found["high"], "USDT")
    return low if low == high else f"{low} to {high}"
