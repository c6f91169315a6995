"""The deployment guide names the settings that there are."""

import re

from tests.deployment.files import ROOT, table_column, variables_of_code

#: Set by the image and the launcher, or fixed.
NOT_A_SETTING = {"DJANGO_SETTINGS_MODULE"}


def test_every_setting_is_in_the_guide_and_no_other() -> None:
    words = table_column(ROOT / "docs/deployment.md")
    documented = [word for word in words if re.fullmatch(r"[A-Z_]+", word)]
    assert sorted(documented) == sorted(variables_of_code() - NOT_A_SETTING)
