"""How many requests a call counts as: a text such as ``GET /kpi/history: 5, POST /orders: 2``.

What is not in it counts as one.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from accounts.errors import InvalidWeights

#: As many as a window of the usual limit has.
LARGEST_WEIGHT: Final = 100
SHAPE: Final = (
    "Weights are calls with whole numbers, such as GET /kpi/history: 5, POST /orders: 2, each from "
    f"1 to {LARGEST_WEIGHT}."
)


def checked_weights(text: str, *, calls: Iterable[str]) -> str:
    """Return weights as they are kept, by call; of one nothing is kept. Raises InvalidWeights.

    ``calls`` are those that count for the limit of a key.
    """
    weights: dict[str, int] = {}
    known = set(calls)
    for part in filter(str.strip, text.replace("\n", ",").split(",")):
        name, _, number = part.rpartition(":")
        call = " ".join(name.split())
        written = number.strip()
        if not (written.isascii() and written.isdecimal() and len(written) <= len("100")):
            raise InvalidWeights(SHAPE)
        if call not in known:
            raise InvalidWeights(f"{call[:60]!r} is no call that counts for the limit of a key.")
        if call in weights:
            raise InvalidWeights(f"{call} has two weights.")
        if not 1 <= int(written) <= LARGEST_WEIGHT:
            raise InvalidWeights(SHAPE)
        weights[call] = int(written)
    kept = sorted((call, weight) for call, weight in weights.items() if weight > 1)
    return ", ".join(f"{call}: {weight}" for call, weight in kept)


@lru_cache(maxsize=64)
def weights_of(text: str) -> Mapping[str, int]:
    """Return the weights by call of a text that was checked, kept for the next request."""
    parts = (part.rpartition(": ") for part in text.split(", ") if part)
    return {call: int(weight) for call, _, weight in parts}
