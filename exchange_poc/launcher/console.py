"""The launcher's own lines, kept off standard output, which belongs to the command."""

import sys


def say(message: str) -> None:
    """Write one line to standard error, whether or not anybody still reads it."""
    try:
        print(f"exchange-poc: {message}", file=sys.stderr, flush=True)
    except OSError:
        return
