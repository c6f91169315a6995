"""The documents name the settings and files that there are, and the README stays short."""

import re
from pathlib import Path

import pytest

from exchange_poc.version import VERSION
from tests.system.deployment.files import APPS, ROOT, table_column, variables_of_code

#: Fixed by the project itself.
NOT_A_SETTING = {"DJANGO_SETTINGS_MODULE"}
LONGEST_README = 220  # lines
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
#: A file or package of the project, named in code type.
NAMED = re.compile(
    rf"`((?:{'|'.join([*APPS, 'docs', 'tests', r'[*]'])})/(?:[\w*./-]*(?:\.\w+|/))?)`"
)
#: A test, named with its file.
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_every_setting_has_one_row_and_nothing_else_has() -> None:
    assert sorted(table_column(ROOT / "docs/settings.md")) == sorted(
        variables_of_code() - NOT_A_SETTING
    )


def test_no_other_document_repeats_the_settings() -> None:
    for name in ("README.md", "docs/deployment.md"):
        words = table_column(ROOT / name)
        assert [word for word in words if re.fullmatch(r"[A-Z_]+", word)] == []


def test_the_changelog_begins_with_this_version() -> None:
    """Between two releases with what is not released yet."""
    [newest, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == ("Unreleased" if ".dev" in VERSION else VERSION)


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_name_files_that_there_are(document: Path) -> None:
    text = document.read_text()
    named = [name for name in NAMED.findall(text) if not list(ROOT.glob(name.rstrip("/")))]
    linked = [name for name in LINK.findall(text) if not (document.parent / name).exists()]
    assert named + linked == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_name_tests_that_there_are(document: Path) -> None:
    named = TEST.findall(document.read_text())
    assert [(file, name) for file, name in named if name not in names_in(file)] == []


def test_each_control_names_its_test() -> None:
    controls = [
        line
        for line in (ROOT / "docs/controls.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| rule ")
    ]
    assert [line for line in controls if not TEST.search(line)] == []


def names_in(file: str) -> set[str]:
    """Return the names of the tests of a file, none where there is no such file."""
    path = ROOT / file
    return (
        {*re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
        if path.exists()
        else set()
    )
