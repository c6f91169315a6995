"""The plots of a report for studies that cross policies: limits by threshold, and cadences."""

from collections.abc import Sequence
from decimal import Decimal

from kpi.lab.answers.findings import figure, floats, owed
from kpi.lab.answers.report import plots
from kpi.lab.answers.report.section import Material, Section
from kpi.lab.inputs.specs import LabPolicy
from market.kernel.amounts import percent
from risk.policy import TIERS


def grid(material: Material) -> Section | None:
    """A heat map, where the study crosses liquidation thresholds with all else of a policy."""
    findings, policies = material.findings, material.study.policies
    rest = _labels(policies, ("limits", "mode", "cadence"))
    thresholds = sorted({one.policy.liquidation_threshold for one in policies})
    values = {
        (one.policy.liquidation_threshold, rest[one.name]): findings.mean(
            "liquidated_notional", one.name
        )
        for one in policies
    }
    columns = list(dict.fromkeys(rest.values()))
    if min(len(thresholds), len(columns)) < 2 or len(values) < len(thresholds) * len(columns):
        return None
    table = [[values[threshold, column] for column in columns] for threshold in thresholds]
    names = [percent(threshold) for threshold in thresholds]
    return Section(
        "Limits and threshold",
        "Mean liquidated notional by the threshold at which accounts are closed out, and by what"
        " else the policies differ in: the highest leverage of the three tiers, and how it closes.",
        plots.heat(
            [floats(row) for row in table],
            [column.replace(", ", "\n") for column in columns],
            names,
            "Liquidated notional, USDT",
        ),
        "Liquidated notional by threshold and limits.",
        [
            ("Threshold", *columns),
            *(
                (name, *(figure(one, "USDT") for one in row))
                for name, row in zip(names, table, strict=True)
            ),
        ],
    )


def cadence(material: Material) -> Section | None:
    """Who else pays by how often the exchange looks, where policies differ in that."""
    findings = material.findings
    policies = sorted(material.study.policies, key=lambda one: one.cadence)
    looks = list(dict.fromkeys(one.cadence for one in policies))
    rest = _labels(policies, ("limits", "mode", "threshold"))
    places = {(rest[one.name], one.cadence): one.name for one in policies}
    families = list(dict.fromkeys(rest.values()))
    if len(looks) < 2 or len(places) < len(families) * len(looks):
        return None
    lines = {
        f"{family}, {variant}": [(places[family, look], variant) for look in looks]
        for family in families
        for variant in findings.variants
    }
    head = [f"Every {look}: shortfall / bad debt" for look in looks]
    return Section(
        "Shortfall and bad debt, by how often the exchange looks",
        "The fewer looks, the further prices run past a threshold before accounts are closed out."
        " Of the shortfall, what the insurance fund cannot pay is bad debt.",
        plots.curve(
            looks,
            {
                name: floats(findings.mean("shortfall", *place) for place in line)
                for name, line in lines.items()
            },
            "Steps from one look to the next",
            "Mean shortfall, USDT",
        ),
        "Mean shortfall by steps between looks.",
        [
            ("", *head),
            *((name, *(owed(findings, *place) for place in line)) for name, line in lines.items()),
        ],
    )


def _labels(policies: Sequence[LabPolicy], fields: Sequence[str]) -> dict[str, str]:
    """Name policies by those of some fields in which they differ; limits always."""
    said = {one.name: _said(one) for one in policies}
    differing = [
        field
        for field in fields
        if field == "limits" or len({facts[field] for facts in said.values()}) > 1
    ]
    return {name: ", ".join(facts[field] for field in differing) for name, facts in said.items()}


def _said(one: LabPolicy) -> dict[str, str]:
    highest = dict(one.policy.max_leverage)
    threshold: Decimal = one.policy.liquidation_threshold
    return {
        "limits": "/".join(str(highest[tier]) for tier in TIERS),
        "mode": one.policy.liquidation_mode.replace("_", " "),
        "threshold": "brackets" if one.policy.requirement.is_by_brackets else percent(threshold),
        "cadence": f"looks every {one.cadence}",
    }
