"""What the verbs of ``lab`` take besides a study, and how it is read."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from kpi.lab.inputs.config import SEED
from market.candle_files import parse_time

MOST_PROCESSES: Final = 64
#: Seconds that ``--celery`` waits for the workers.
PATIENCE: Final = 3600


def add_processes_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--processes", type=process_count, default=2, help="Processes that compute (2)."
    )


def add_run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--celery", action="store_true", help="Let workers of the queue lab do it.")
    parser.add_argument(
        "--wait", type=int, default=PATIENCE, help=f"With --celery: seconds at most ({PATIENCE})."
    )
    parser.add_argument("--out", type=Path, help="Write the report into this directory.")


def add_verify_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--accounts", type=int, default=300, help="The first so many (300).")
    for name, which in (("--start", "First open time"), ("--end", "First open time no longer")):
        parser.add_argument(name, type=moment, metavar="TIME", help=f"{which} that is replayed.")
    parser.add_argument(
        "--threshold", type=share, help="Another threshold for the exchange, to see it differ."
    )


def moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no time such as 2025-10-10T00:00:00Z.") from None


def share(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is no number.") from None


def seed_of(text: str) -> int:
    try:
        return int(SEED.read(int(text)))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no seed: {SEED.allowed}.") from None


def process_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PROCESSES:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_PROCESSES}.")
    return int(text)
