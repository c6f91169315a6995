"""Holds a bundle's audit records against their hashes, each other, and the heads of the chain."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kpi.audit.chain import HASHED, record_hash
from kpi.bundles.runs import Runs

EXPORTED: Final = {*HASHED, "hash"}
#: A record's number and its hash.
Head = tuple[int, str]


class ChainCheck:
    """Takes records in order; tells what is wrong with each, and at the end with all of them."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.before, self.after = head_of(told["before"]), head_of(told["after"])
        self.told_spans = [[int(first), int(last)] for first, last in told["spans"]]
        self.runs = Runs()
        self.last = self.before

    def differences_of(self, line: str) -> Iterator[str]:
        """Yield what is wrong with the next record. Raises ValueError where it is none."""
        record = json.loads(line)
        if not isinstance(record, dict) or record.keys() != EXPORTED:
            raise ValueError("a line is no audit record")
        sequence, stored = record["sequence"], record["hash"]
        if not isinstance(sequence, int):
            raise ValueError("a record has no number")
        if record_hash({name: record[name] for name in HASHED}) != stored:
            yield f"record {sequence} was altered"
        yield from self.links(sequence, stored, record["previous_hash"])
        self.runs.take(sequence)
        self.last = (sequence, stored)

    def links(self, sequence: int, stored: Any, previous: Any) -> Iterator[str]:
        """Yield where a record is no part of the chain.

        Between the heads of before and after the day no record may be missing. Others are about
        facts of the day and were written on another; they need not be one behind the other.
        """
        number, digest = self.last
        if sequence <= number and self.runs.spans:
            yield f"record {sequence} is not in its place"
        if number < self.before[0] < sequence:
            number, digest = self.before
        if number + 1 < sequence <= self.after[0] and sequence > self.before[0]:
            yield f"records {number + 1} to {sequence - 1} are missing"
        if sequence == number + 1 and previous != digest:
            yield f"record {sequence} does not follow record {number}"
        for head, end in ((self.before, "beginning"), (self.after, "end")):
            if (sequence, stored) != head and sequence == head[0]:
                yield f"record {sequence} is not the {end} of the chain that the manifest tells"

    def differences(self) -> Iterator[str]:
        """Yield what is wrong with all of them together."""
        if self.runs.spans != self.told_spans:
            told = spelled(self.told_spans)
            yield f"records {spelled(self.runs.spans)}, but the manifest tells of {told}"
        end = self.after[0]
        is_there = any(first <= end <= last for first, last in self.runs.spans)
        if self.after != self.before and not is_there:
            yield f"they do not lead to record {end}, the end of the chain that the manifest tells"


def head_of(told: Mapping[str, Any]) -> Head:
    """Read where a chain stood. Raises KeyError, TypeError, ValueError, OverflowError."""
    return int(told["sequence"]), str(told["hash"])


def spelled(spans: Any) -> str:
    """Write runs of numbers for people, the first of them."""
    written = ", ".join(f"{first} to {last}" for first, last in list(spans)[:5])
    return written or "none"
