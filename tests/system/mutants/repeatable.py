"""A pytest plugin: the same examples in every run, and no time spent on making them small."""

import pytest
from hypothesis import Phase, settings

settings.register_profile(
    "mutants",
    phases=[Phase.explicit, Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
)
settings.load_profile("mutants")


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Try the worked examples of a file first: they take less than properties, and notice most."""
    place = {path: number for number, path in enumerate(dict.fromkeys(one.path for one in items))}
    items.sort(key=lambda one: (place[one.path], getattr(one.obj, "is_hypothesis_test", False)))
