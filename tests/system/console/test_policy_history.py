"""The histories of the policy and of leverage limits show one digest after each change."""

import re
from decimal import Decimal as D

from django.test import Client

from risk.models import RiskPolicy
from risk.policy import PRESETS
from risk.selectors import policy_in_force
from tests.console import save

POLICY = "/admin/risk/riskpolicy/1"
BEGINNER = "/admin/risk/leveragelimit/beginner"


def shown(staff: Client, page: str) -> list[str]:
    """Return the digests of a page, from its top on."""
    return re.findall(r'<code title="([0-9a-f]{64})">', staff.get(page).content.decode())


def digest_after(staff: Client, page: str, **values: str) -> str:
    """Change something in the console and return the digest of the policy that is then in force."""
    save(staff, f"{page}/change/", **values)
    return policy_in_force().digest


def test_each_change_is_shown_with_the_digest_of_the_whole_policy(staff: Client) -> None:
    first = digest_after(staff, POLICY, liquidation_threshold="0.6")
    second = digest_after(staff, BEGINNER, max_leverage="2")
    third = digest_after(staff, POLICY, liquidation_threshold="0.7")
    fourth = digest_after(staff, BEGINNER, max_leverage="3")
    installed = PRESETS["seed"].digest
    assert shown(staff, f"{POLICY}/history/") == [third, first, installed]
    assert shown(staff, f"{BEGINNER}/history/") == [fourth, second, installed]
    assert len({first, second, third, fourth}) == 4
    assert policy_in_force().liquidation_threshold == D("0.7")


def test_the_policy_s_page_shows_its_digest_and_a_former_state_its_own(staff: Client) -> None:
    page = staff.get(f"{POLICY}/change/").content.decode()
    assert policy_in_force().digest in page
    first = digest_after(staff, POLICY, liquidation_threshold="0.6")
    second = digest_after(staff, BEGINNER, max_leverage="2")
    assert second in staff.get(f"{POLICY}/change/").content.decode()
    former = RiskPolicy.objects.get().history.latest().pk
    page = staff.get(f"{POLICY}/history/{former}/").content.decode()
    assert first in page
    assert second not in page
