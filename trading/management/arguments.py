"""Numbers that commands take, and how a command ends whose step or sweep left somebody out."""

import math
from argparse import ArgumentTypeError
from collections.abc import Collection
from typing import Final

from django.core.management.base import CommandError

from trading.steps.reporting import describe_unfinished

#: Longest pause between two steps, in seconds.
LONGEST_PAUSE: Final = 86_400
#: Seconds of candles that a second may play.
FASTEST: Final = 1_000_000_000


def seconds(text: str) -> float:
    """Read the seconds between two steps, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= LONGEST_PAUSE:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {LONGEST_PAUSE:,}.")
    return number


def positive(text: str) -> float:
    """Read a speed, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= FASTEST:
        raise ArgumentTypeError(f"{text!r} is no number above 0, up to {FASTEST:,}.")
    return number


def at_least_one(text: str) -> int:
    """Read how often something is done, for argparse."""
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 on.")
    return int(text)


def must_be_finished(unfinished: Collection[int] = (), unmarked: Collection[str] = ()) -> None:
    """End a command with an error if its step or sweep left out users or the marks of instruments.

    Raises CommandError.
    """
    if left := describe_unfinished(unfinished, unmarked):
        raise CommandError(left)
