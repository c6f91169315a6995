"""A pytest plugin: the same examples in every run, and no time spent on making them small."""

from hypothesis import Phase, settings

settings.register_profile(
    "mutants",
    phases=[Phase.explicit, Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
)
settings.load_profile("mutants")
