"""The documents name the settings that there are, and the README stays short."""

import re

from tests.system.deployment.files import ROOT, table_column, variables_of_code

#: Fixed by the project itself.
NOT_A_SETTING = {"DJANGO_SETTINGS_MODULE"}
LONGEST_README = 220  # lines


def test_every_setting_has_one_row_and_nothing_else_has() -> None:
    assert sorted(table_column(ROOT / "docs/settings.md")) == sorted(
        variables_of_code() - NOT_A_SETTING
    )


def test_no_other_document_repeats_the_settings() -> None:
    for name in ("README.md", "docs/deployment.md"):
        words = table_column(ROOT / name)
        assert [word for word in words if re.fullmatch(r"[A-Z_]+", word)] == []


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README
