"""The notebook's door: ``from kpi.lab import Study``."""

from pathlib import Path

import numpy as np
import pytest

from kpi.lab import Study
from kpi.lab.columns import COLUMNS
from kpi.lab.errors import StudyError

FILE = """
seeds = [1, 2]
[tape]
kind = "crash"
crash = { bars = 120 }
[population]
accounts = 200
[[policy]]
name = "seed"
[[policy]]
name = "none"
preset = "none"
"""


@pytest.mark.django_db(transaction=True)
def test_a_study_is_run_and_read_as_columns(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    study = Study(path)
    assert repr(study).endswith("0 of 4 cells done>")
    assert study.answer is None
    frame = study.run(processes=1).frame("cells")
    assert tuple(frame) == COLUMNS
    assert frame["policy"].tolist() == ["seed", "none"] * 2
    assert frame["seed"].tolist() == [1, 1, 2, 2]
    assert np.isfinite(frame["liquidated_notional"]).all()
    assert set(study.frame("differences")["policy"]) == {"none"}
    assert (study.answer or "").startswith("Compared with seed")
    again = Study("small")
    assert again.stored == study.stored
    assert repr(again).endswith("4 of 4 cells done>")


def test_a_study_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        Study(tmp_path / "nothing.toml")
