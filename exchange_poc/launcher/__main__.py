"""Command line of the launcher: ``run``, ``demo``, ``test -- ARGS`` and ``clean-data``."""

import argparse
import signal
import sys

from exchange_poc.launcher.console import say
from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.local_dir import LocalDir
from exchange_poc.launcher.processes import follow_parent
from exchange_poc.launcher.run import demo, run
from exchange_poc.launcher.servers import Servers
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.launcher.suite import test


def main() -> int:
    """Run the command that the arguments name and return the exit status."""
    arguments = parser().parse_args()
    if arguments.stop_with_parent:
        follow_parent(signal.SIGTERM)
    try:
        match arguments.command:
            case "run":
                return run()
            case "demo":
                return demo()
            case "test":
                return test(arguments.pytest_arguments)
            case _:
                return clean_data()
    except (LauncherError, OSError) as error:
        say(str(error))
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m exchange_poc.launcher")
    result.add_argument(
        "--stop-with-parent", action="store_true", help="stop when the calling process dies"
    )
    commands = result.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the exchange in the foreground")
    commands.add_parser("demo", help="run an exchange with a history, on a directory of its own")
    suite = commands.add_parser("test", help="run pytest on servers of its own")
    suite.add_argument("pytest_arguments", nargs="*", metavar="ARG", help="after --, for pytest")
    commands.add_parser("clean-data", help="delete the data of the embedded servers")
    return result


def clean_data() -> int:
    """Delete the data that ``run`` keeps in LOCAL_DIR."""
    local = LocalDir.from_environment()
    Servers(local, stop=StopSignals()).delete_data()
    say(f"deleted the embedded servers' data in {local.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
