"""``make bench``: runs the parts, prints their figures and keeps them as JSON.

With ``--against REV`` it measures this checkout and that revision in turn instead.
"""

import argparse
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from benchmarks import against, document, machine, parts, report, stage
from benchmarks.against import checkout
from exchange_poc.launcher.environment import exit_on_signals
from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.local_dir import PROJECT_ROOT

DOCUMENT: Final = PROJECT_ROOT / "docs" / "benchmarks.md"
LATEST: Final = PROJECT_ROOT / "benchmarks" / "results" / "latest.json"


def main() -> int:
    """Run the parts asked for; return 0, or 1 where a goal is missed."""
    arguments = parser().parse_args()
    if arguments.write_docs and arguments.against:
        parser().error("--write-docs tells of the present checkout alone: leave --against out")
    exit_on_signals()
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        if arguments.against:
            results = [measure_against(arguments.against, quick=arguments.quick)]
        else:
            with stage.opened(quick=arguments.quick) as opened:
                results = [measure(name, opened) for name in arguments.only or part_names()]
    except LauncherError as error:
        sys.exit(f"exchange-poc: {error}")
    run = report.Run(started_at, arguments.quick, machine.describe(), results)
    report.write_json(run, arguments.out)
    if arguments.write_docs:
        document.write(run, DOCUMENT)
    return 1 if run.missed else 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    which = result.add_mutually_exclusive_group()
    which.add_argument("--only", nargs="+", choices=part_names(), help="run these parts alone")
    which.add_argument("--against", metavar="REV", help="hold this checkout against a revision")
    result.add_argument("--quick", action="store_true", help="less data, less time, rougher")
    result.add_argument("--write-docs", action="store_true", help="renew docs/benchmarks.md")
    result.add_argument("--out", type=Path, default=LATEST, help="where the JSON goes")
    return result


def part_names() -> list[str]:
    """Return the parts that there are: the modules of benchmarks.parts."""
    return sorted(module.name for module in iter_modules(parts.__path__))


def measure(name: str, opened: stage.Stage) -> report.PartResult:
    """Run one part and print its figures."""
    module = import_module(f"benchmarks.parts.{name}")
    opened.say(module.TITLE)
    started = time.monotonic()
    figures = module.measure(opened)
    result = report.PartResult(name, module.TITLE, time.monotonic() - started, figures)
    print(report.as_text(result), flush=True)
    return result


def measure_against(name: str, *, quick: bool) -> report.PartResult:
    """Compare with a revision and print the figures."""
    result = against.measure(checkout.revision(name), quick=quick)
    print(report.as_text(result), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
