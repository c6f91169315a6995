"""The manifest of a saved state, kept as the comment on its database: it goes where that goes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from kpi.experiments.state import State

#: Names the kind of comment, and the version of what follows.
KIND: Final = "exchange_poc_experiment"
VERSION: Final = 1
#: Restores whose times are kept; all are counted.
RESTORES_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was saved, when, by which code, and how often and when it was brought back."""

    name: str
    saved_at: datetime
    commit: str
    migrations: Sequence[str]
    seed: str
    size: int
    state: State
    restores: int = 0
    restored_at: Sequence[datetime] = field(default_factory=tuple)

    def restored(self, now: datetime) -> Self:
        """Return the manifest after one more restore."""
        times = (*self.restored_at, now)[-RESTORES_KEPT:]
        return replace(self, restores=self.restores + 1, restored_at=times)

    def written(self) -> str:
        """Return it as text, which ``read`` takes."""
        values = asdict(self) | {
            "saved_at": self.saved_at.isoformat(),
            "restored_at": [time.isoformat() for time in self.restored_at],
        }
        return json.dumps({KIND: VERSION, **values}, sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return what ``written`` wrote; None of any other text."""
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop(KIND) != VERSION:
                return None
            times = [moment(time) for time in values.pop("restored_at")]
            state, saved_at = State.read(values.pop("state")), moment(values.pop("saved_at"))
            return cls(state=state, saved_at=saved_at, restored_at=times, **values)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def moment(text: str) -> datetime:
    """Return a time as written, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
