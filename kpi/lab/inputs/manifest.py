"""What a study's results were computed from and by, so that anybody can repeat them."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kpi.lab.inputs.canonical import cells, file_digest
from kpi.lab.inputs.population import make_population
from kpi.lab.inputs.sources import commit, rules_digest
from kpi.lab.inputs.specs import Study, Variant
from kpi.lab.inputs.tape import read_tape


def manifest(study: Study, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of a study whose cells gave ``digests`` by key; plain values for JSON.

    The same study, computed by the same sources, has the same manifest wherever Python and NumPy
    are the same. Raises StudyError where a file has changed.
    """
    return {
        "commit": commit(),
        "rules_sha256": rules_digest(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "study": {"name": study.name, "digest": study.digest, "canonical": study.canonical},
        "tape": tape_facts(study),
        "population_sha256": population_digests(study),
        "cells": [
            {
                "policy": plan.policy.name,
                "seed": plan.seed,
                "variant": plan.variant.name,
                "key": plan.key,
                "digest": digests.get(plan.key, ""),
            }
            for plan in cells(study)
        ],
    }


def tape_facts(study: Study) -> dict[str, Any]:
    return {
        "sha256": study.tape.sha256,
        "files": [
            {"symbol": symbol, "name": Path(file).name, "sha256": file_digest(file)}
            for symbol, file in study.tape.files
        ],
        "variants": [variant_facts(study, variant) for variant in study.variants],
    }


def variant_facts(study: Study, variant: Variant) -> dict[str, Any]:
    tape = read_tape(study, variant)
    return {
        "name": variant.name,
        "rows": tape.rows,
        "steps": len(tape.times),
        "start": tape.start.isoformat(),
        "end": tape.end.isoformat(),
    }


def population_digests(study: Study) -> dict[str, str]:
    """Return the SHA-256 of each seed's accounts; they are the same on all variants."""
    tape = read_tape(study, study.variants[0])
    return {str(seed): make_population(study, seed, tape).sha256 for seed in study.seeds}
