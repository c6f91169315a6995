"""Which records of the chain a bundle has: runs of numbers without a gap."""


class Runs:
    """Counts records, and keeps the first and the last number of each run."""

    def __init__(self) -> None:
        self.records = 0
        self.spans: list[list[int]] = []

    def take(self, sequence: int) -> None:
        """Count the next record."""
        self.records += 1
        if self.spans and self.spans[-1][1] == sequence - 1:
            self.spans[-1][1] = sequence
        else:
            self.spans.append([sequence, sequence])
