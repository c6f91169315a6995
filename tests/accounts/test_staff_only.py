"""Calls that the account policy can keep to staff: open by default, closed by a switch."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.access import REGULATORS
from accounts.models import AccountPolicy, User
from accounts.policy import change_account_policy
from tests.conftest import ApiClient, ClientOf
from tests.console import save

KPIS = ("system", "trading", "security", "history?metric=global_exposure")


@pytest.fixture
def staff(client_of: ClientOf, db: None) -> ApiClient:
    return client_of(User.objects.create_user("clerk", is_staff=True))


@pytest.fixture
def regulator(client_of: ClientOf, db: None) -> ApiClient:
    user = User.objects.create_user("regulator", is_staff=True)
    user.groups.add(Group.objects.get(name=REGULATORS))
    return client_of(user)


def close(**switches: bool) -> None:
    change_account_policy(reason="A test", policy=AccountPolicy.objects.get(), changes=switches)


def kpis(client: ApiClient) -> set[tuple[int, Any]]:
    answers = [client.get(f"/kpi/{name}") for name in KPIS]
    return {(answer.status_code, answer.json().get("code")) for answer in answers}


def test_kpis_are_open_until_they_are_kept_to_staff(
    api: ApiClient, staff: ApiClient, regulator: ApiClient, anonymous: ApiClient
) -> None:
    assert kpis(api) == {(200, None)}
    close(staff_only_kpis=True)
    assert kpis(api) == {(403, "staff_only")}
    assert kpis(staff) == kpis(regulator) == {(200, None)}
    assert kpis(anonymous) == {(401, "not_authenticated")}
    assert api.post("/market/tick").status_code == 200
    close(staff_only_kpis=False)
    assert kpis(api) == {(200, None)}


def test_ticks_are_open_until_they_are_kept_to_staff(
    api: ApiClient, staff: ApiClient, regulator: ApiClient
) -> None:
    def told(client: ApiClient) -> tuple[int, Any]:
        answer = client.post("/market/tick")
        return answer.status_code, answer.json().get("code")

    assert told(api) == (200, None)
    close(staff_only_ticks=True)
    assert told(api) == (403, "staff_only")
    assert told(staff) == (200, None)
    assert told(regulator) == (403, "permission_denied")
    assert kpis(api) == {(200, None)}


def test_the_switches_stand_in_the_console(client: Client, api: ApiClient) -> None:
    client.force_login(User.objects.create_superuser("root"))
    page = "/admin/accounts/accountpolicy/1/change/"
    assert "changed successfully" in save(client, page, staff_only_kpis="on")
    policy = AccountPolicy.objects.get()
    assert (policy.staff_only_kpis, policy.staff_only_ticks) == (True, False)
    assert policy.history.latest().staff_only_kpis
    assert kpis(api) == {(403, "staff_only")}
