"""The console of the lab: progress, the comparison with its numbers, a policy put in force."""

import html
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from kpi.audit.models import AuditRecord
from kpi.lab.answers.compare import compare
from kpi.lab.answers.findings import figure
from kpi.lab.inputs.specs import LabPolicy, Study, Variant
from kpi.lab.models import LabStudy
from kpi.lab.selectors import results_of
from kpi.lab.services import claim_cell, fail_cell, store_answer, store_study
from risk.policy import PRESETS, policy_from
from risk.selectors import policy_in_force
from tests.console import Clerk, clerk, press, shown_field
from tests.kpi.lab.stored import compute, plans, study

__all__ = ["clerk"]

pytestmark = pytest.mark.django_db
BUTTON = "kpi_labstudy_put_in_force"


def answered(asked: Study) -> LabStudy:
    """A study whose cells are done, with its comparison."""
    stored = store_study(study=asked, plans=plans(asked))
    compute(stored)
    answer = compare(asked, results_of(stored))
    store_answer(study=stored, comparison=answer, manifest={"seeds": list(asked.seeds)})
    stored.refresh_from_db()
    return stored


def page_of(client: Client, stored: LabStudy, page: str = "comparison", **query: str) -> Any:
    return client.get(reverse(f"admin:kpi_labstudy_{page}", args=[stored.pk]), query)


@pytest.fixture
def chief(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("chief"))
    return client


def test_a_study_shows_its_cells_and_why_one_failed(chief: Client) -> None:
    asked = study()
    stored = store_study(study=asked, plans=plans(asked))
    compute(stored, most=2)
    cell = claim_cell(study=stored, worker="tests:1:1")
    assert cell is not None
    fail_cell(cell=cell, error="MemoryError")
    page = page_of(chief, stored, "change").content.decode()
    assert "2 of 6 done, 1 failed" in page
    assert f"/admin/kpi/labcell/{cell.pk}/change/" in page
    assert "MemoryError" in chief.get(f"/admin/kpi/labcell/{cell.pk}/change/").content.decode()
    listed = chief.get("/admin/kpi/labstudy/").content.decode()
    assert "2 of 6" in listed
    assert "failed" in listed


def test_a_study_without_an_answer_says_what_it_waits_for(chief: Client) -> None:
    asked = study()
    page = page_of(chief, store_study(study=asked, plans=plans(asked))).content.decode()
    assert "Nothing to compare yet" in page
    assert "max_leverage of beginners 5x → 2x" in page


def test_a_comparison_shows_the_numbers_beside_each_chart(chief: Client) -> None:
    stored = answered(study())
    answer = page_of(chief, stored, metric="bad_debt")
    page = answer.content.decode()
    assert answer.context["answer"] in html.unescape(page)
    data = re.search(r'<script id="lab-data" type="application/json">(.*?)</script>', page)
    assert data is not None
    charts = json.loads(data[1])
    assert {"difference", "range", "fund", "liquidations"} == set(charts)
    assert charts["difference"]["labels"] == ["esma", "none"]
    panels = {panel.key: panel for panel in answer.context["panels"]}
    assert [row[0] for row in panels["difference"].rows] == ["esma", "none"]
    [low, high] = charts["difference"]["spans"][0]
    assert low <= charts["difference"]["points"][0] <= high
    assert "Bad debt: difference to seed" in page
    assert "Published" in page


def test_an_unknown_metric_is_the_usual_one(chief: Client) -> None:
    stored = answered(study())
    for name in ("nothing", "", "refused_x"):
        assert page_of(chief, stored, metric=name).context["metric"].name == "liquidated_notional"


def test_a_grid_has_a_heat_map(chief: Client) -> None:
    grid = tuple(
        LabPolicy(
            f"{cap}x at {threshold}",
            policy_from(
                {"max_leverage": cap, "liquidation_threshold": Decimal(threshold)}, PRESETS["seed"]
            ),
        )
        for cap in (2, 5)
        for threshold in ("0.3", "0.5", "0.8")
    )
    variants = (Variant("ohlc"), Variant("close", path="close"))
    asked = replace(
        study(), policies=grid, baseline=grid[0].name, variants=variants, digest="a" * 64
    )
    stored = answered(asked)
    shown = page_of(chief, stored, metric="bad_debt").context["heat_map"]
    assert (shown.down, shown.across) == ("max_leverage", "liquidation_threshold")
    assert (list(shown.columns), [row[0] for row in shown.rows]) == (
        ["0.3", "0.5", "0.8"],
        ["2/2/2", "5/5/5"],
    )
    comparison: Any = stored.comparison
    assert [text for _, cells in shown.rows for text, _ in cells] == [
        figure(one["mean"], "USDT")
        for one in comparison["levels"]
        if (one["metric"], one["variant"]) == ("bad_debt", "ohlc")
    ]
    shades = [shade for _, cells in shown.rows for _, shade in cells]
    assert (min(shades), max(shades)) == (0, 100)
    assert page_of(chief, answered(study())).context["heat_map"] is None


def test_a_policy_is_put_in_force_with_a_trace(chief: Client) -> None:
    stored = answered(study())
    seen = shown_field(chief, BUTTON, stored.pk, "seen")
    page = press(chief, BUTTON, stored.pk, policy="esma", seen=seen)
    assert "is in force" in page
    assert policy_in_force() == PRESETS["esma"]
    [action] = AuditRecord.objects.filter(kind="staff_action")
    assert stored.digest in action.details["message"]
    again = press(chief, BUTTON, stored.pk, policy="none", seen=seen)
    assert "Somebody changed this after you opened it" in again
    assert policy_in_force() == PRESETS["esma"]


def test_no_policy_but_the_studys_is_put_in_force(chief: Client) -> None:
    stored = answered(study())
    seen = shown_field(chief, BUTTON, stored.pk, "seen")
    assert "Select a valid choice" in press(chief, BUTTON, stored.pk, policy="other", seen=seen)
    assert policy_in_force() == PRESETS["seed"]


def test_who_may_not_change_the_policy_puts_none_in_force(clerk: Clerk) -> None:
    stored = answered(study())
    url = reverse(f"admin:{BUTTON}", args=[stored.pk])
    body = {"_form_submitted": "on", "policy": "esma", "seen": policy_in_force().digest}
    client = clerk()
    user = User.objects.get()
    for right in ("view_labstudy", "change_riskpolicy"):
        user.user_permissions.add(Permission.objects.get(codename=right))
        assert page_of(client, stored).status_code == 200
        assert "Put in force" not in page_of(client, stored, "change").content.decode()
        assert client.get(url).status_code == 403
        assert client.post(url, body).status_code == 403
        assert policy_in_force() == PRESETS["seed"]


def test_who_may_not_view_studies_sees_none(clerk: Clerk) -> None:
    stored, client = answered(study()), clerk("view_order")
    assert page_of(client, stored).status_code == 403
    assert page_of(client, stored, "change").status_code in {302, 403}


def test_there_is_no_comparison_of_nothing(chief: Client) -> None:
    for key in ("1", "x", "9" * 30, "_00"):
        assert chief.get(f"/admin/kpi/labstudy/{key}/comparison/").status_code == 404
