"""A manifest names all that a result came from, and is the same when nothing has changed."""

import hashlib
import json
from pathlib import Path
from re import fullmatch

import numpy as np
import pytest

from kpi.lab.inputs.config import cells
from kpi.lab.inputs.manifest import manifest
from kpi.lab.inputs.sources import ROOT, RULES, commit, rules_digest
from tests.kpi.lab.files import study_in


def test_a_manifest_names_tape_populations_versions_and_each_cell(tmp_path: Path) -> None:
    study = study_in(tmp_path, "seeds = [1, 2]\n[population]\naccounts = 5")
    first, second = cells(study)
    facts = manifest(study, {first.key: "abc", second.key: "def"})
    assert (
        json.loads(json.dumps(facts))
        == facts
        == manifest(study, {first.key: "abc", second.key: "def"})
    )
    assert facts["study"]["digest"] == hashlib.sha256(study.canonical.encode()).hexdigest()
    content = hashlib.sha256((tmp_path / "BTCUSDT.csv").read_bytes()).hexdigest()
    assert facts["tape"]["files"] == [
        {"symbol": "BTCUSDT", "name": "BTCUSDT.csv", "sha256": content}
    ]
    assert facts["tape"]["variants"] == [
        {
            "name": "ohlc",
            "rows": 4,
            "steps": 16,
            "start": "2025-10-10T00:00:00+00:00",
            "end": "2025-10-10T00:20:00+00:00",
        }
    ]
    assert set(facts["population_sha256"]) == {"1", "2"}
    assert len(set(facts["population_sha256"].values())) == 2
    assert facts["numpy"] == np.__version__
    assert facts["cells"][1] == {
        "policy": "seed", "seed": 2, "variant": "ohlc", "key": second.key, "digest": "def"
    }  # fmt: skip


def test_the_rules_have_another_digest_once_a_line_of_them_changes() -> None:
    files = {file for pattern in RULES for file in ROOT.glob(pattern)}
    named = {file.relative_to(ROOT).as_posix() for file in files}
    assert {"risk/closing.py", "risk/arrays/books.py", "kpi/lab/inputs/tape.py"} <= named
    assert len(rules_digest()) == 64


def test_an_image_says_its_commit_and_a_checkout_asks_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_COMMIT", "0123abc")
    assert commit() == "0123abc"
    monkeypatch.delenv("EXCHANGE_COMMIT")
    if (ROOT / ".git").exists():
        assert fullmatch("[0-9a-f]{40}(-dirty)?", commit())
    else:
        assert commit() == ""
