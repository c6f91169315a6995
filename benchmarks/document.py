"""Writes docs/benchmarks.md from a run, so that no figure in it is copied by hand."""

from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, shown
from benchmarks.report import PartResult, Run, verdict

HEAD: Final = """# Benchmarks

This file is written by `make bench ARGS=--write-docs`, from one run; do not edit it.

`make bench` runs every part on embedded servers of its own (PostgreSQL and Valkey with the
settings of `make run`, every commit on disk) and never touches the data of `make run`. It prints
the figures and keeps them in `benchmarks/results/latest.json`. Useful arguments:

| | |
|---|---|
| `make bench ARGS="--only orders batch"` | some parts alone |
| `make bench ARGS=--quick` | less data and less time, rougher figures |
| `make bench ARGS="--against REV"` | this checkout and that revision in turn |
| `make bench ARGS="--out FILE"` | keep the JSON elsewhere |
| `make bench ARGS=--write-docs` | renew this file as well |

The command ends with status 1 when a goal is missed. A further part is one file in
`benchmarks/parts/` with a `TITLE` and a function `measure(stage)` that returns figures.

## How to read the figures

Absolute rates say as much about the machine as about the exchange. Goals are therefore ratios of
two measurements of the same run. Load generator, web server and database share the cores.

- **Orders over HTTP**: accepted market orders over keep-alive connections, each client with an
  account and a token of its own; 2 web processes of 16 threads, rate limit off, no tick. Every
  answer must be 200 and FILLED, and the ledger is checked afterwards.
- **Floor**: the SQL of such an order under `pgbench -M prepared` with the same number of clients,
  on the same server: what remains when web server and Python cost nothing. *Its own SQL* is
  captured from the service as it places an order; *plain statements* are one INSERT or UPDATE
  per row, exposure rows last, and stay the same when the code's SQL changes.
- **Reads over a long history**: each read of the API as one account that owns a third of it, and
  as staff, through the whole application in the benchmark's process, without a socket; of the
  console's pages, which are mostly the making of HTML, what their statements take.
- **Open streams**: 100 API keys with 5 streams each of all channels, read by one process, while 10
  instruments step every second. A delay is from the time of an event's row, just before its commit,
  to its arrival; every mark must arrive on every stream once, and every event of an account on each
  of its streams. The eight clients that place orders are among those who listen. Turns with and
  without streams alternate.
- **Market steps**: accounts hold 10 positions in 50 instruments, long and short. The plain
  aggregate computes equity and margin of every account; a step is held against it. One account in
  a thousand is frail and breaches at −2 %. The closing rate counts what that step takes beyond a
  quiet one. A growth exponent of 1 means ten times as long for ten times the data.
"""


def write(run: Run, path: Path) -> None:
    """Replace the document at ``path`` by the figures of ``run``."""
    path.write_text("\n".join([HEAD, *machine_lines(run), *map(section, run.parts)]))


def machine_lines(run: Run) -> list[str]:
    scale = " with `--quick`: a tenth of the data and a third of the time" if run.quick else ""
    rows = [f"| {name} | {value} |" for name, value in run.machine.items()]
    return [
        "## Machine",
        "",
        f"Run at {run.started_at}{scale}.",
        "",
        "| | |",
        "|---|---|",
        *rows,
        "",
    ]


def section(part: PartResult) -> str:
    """Return the figures of a part as a table."""
    head = [f"## {part.title}", "", f"`--only {part.name}`, {part.seconds:.0f} s", ""]
    table = ["| figure | value | goal |", "|---|---:|---|"]
    return "\n".join([*head, *table, *map(row, part.figures), ""])


def row(figure: Figure) -> str:
    value = f"{shown(figure.value)} {figure.unit}".strip()
    return f"| {figure.name} | {value} | {verdict(figure)} |"
