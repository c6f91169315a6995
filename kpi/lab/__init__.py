"""The policy lab: what would another leverage policy have done on these prices?

In a notebook: ``from kpi.lab import Study``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpi.lab.study import Study

__all__ = ["Study"]


def __getattr__(name: str) -> Any:
    """Load the notebook's door when it is asked for: it starts Django."""
    if name == "Study":
        from kpi.lab.study import Study

        return Study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
