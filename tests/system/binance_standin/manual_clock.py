"""A clock that a test moves by hand."""


class ManualClock:
    """Counts seconds; call it for the time."""

    def __init__(self, seconds: float = 1000) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
