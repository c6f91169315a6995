"""Goes through many accounts so that none of them holds up the others.

What fails is logged, noted and left to the next step or sweep. So is an account with a row that
another session keeps locked. Each wait in vain halves the patience with the next one, so that many
such rows cost a pass little more than one does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from market.kernel.locks import is_lock_timeout

log = structlog.get_logger(__name__)

#: How long a pass waits for a locked row at first, and at last, in seconds. Far longer than an
#: order or a batch takes, so that nobody keeps a close-out away by trading.
PATIENCE: Final = 1.0
LEAST_PATIENCE: Final = 0.02


class Isolation:
    """One pass over accounts: how long it waits for the next lock, and whom it left behind."""

    def __init__(self) -> None:
        self.patience = PATIENCE
        self.unfinished: set[int] = set()

    @contextmanager
    def of(self, user_id: int, *, failing: str) -> Iterator[None]:
        """Log what fails under the name ``failing`` and note the user, instead of raising."""
        try:
            yield
        except Exception as error:
            self.note(error)
            self.unfinished.add(user_id)
            if is_lock_timeout(error):
                log.warning(failing, user_id=user_id, reason="locked")
            else:
                log.exception(failing, user_id=user_id)

    def note(self, error: BaseException | None) -> None:
        """Wait shorter from now on if the error was a wait in vain."""
        if is_lock_timeout(error):
            self.patience = max(self.patience / 2, LEAST_PATIENCE)
