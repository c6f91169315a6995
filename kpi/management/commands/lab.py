"""``lab``: run studies of the policy lab, look at them, write their reports and events."""

import csv
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from kpi.lab import queue, runs
from kpi.lab.answers.export import export
from kpi.lab.asked import asked_study, stored_study
from kpi.lab.extra import needs_the_extra
from kpi.lab.inputs.config import cells
from kpi.lab.inputs.specs import Study
from kpi.lab.models import LabCell, LabStudy
from kpi.lab.selectors import (
    Progress,
    answer_of,
    failed_cells,
    progress_by_study,
    progress_of,
    results_of,
)
from kpi.lab.services import must_fit, requeue_cells, store_study
from kpi.management.lab_arguments import (
    add_processes_argument,
    add_run_arguments,
    add_verify_arguments,
    seed_of,
)
from kpi.management.lab_words import (
    bar,
    done,
    first_line,
    last_line,
    left,
    lines_of,
    must_be_done,
    shape,
    write_files,
)
from kpi.management.lab_worker import work
from market.kernel.console.exports import harmless
from market.kernel.errors import ExchangeError

#: Events begin with so many columns of names, numbers of steps and times; then come amounts.
TEXT_COLUMNS: Final = 8
#: A list shows so many studies, the newest.
MOST_LISTED: Final = 50
VERBS: Final = {
    "check": "Read a study and its tapes, and say what would be computed.",
    "run": "Compute the cells of a study that nobody has computed yet, then its answer.",
    "work": "Compute cells that `lab run --celery` has queued, until Ctrl-C.",
    "resume": "The same for a stored study; computes only what is missing.",
    "list": "List the stored studies, the newest first.",
    "show": "Show a stored study: its cells, its answer, why a cell failed.",
    "compare": "Compare the policies of a study by the cells that are done.",
    "report": "Write a study's report, one HTML file, and its tables beside it.",
    "export": "Write a study's cells and comparison as CSV and Parquet.",
    "events": "Print the close-outs of a study's cells as CSV.",
    "verify": "Replay a study's first accounts through the real services, to the last digit.",
}
NO_WORKER: Final = "No worker takes a cell; start one with `manage.py lab work`."
NAMED: Final = "A study file, or a stored study's name, number or digest."


class Command(BaseCommand):
    requires_system_checks = ()  # a second of each start, and for the pages of the console
    help = "The policy lab: what would another policy have done on these prices?"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        parsers = {verb: verbs.add_parser(verb, help=text) for verb, text in VERBS.items()}
        for verb in set(VERBS) - {"list", "work"}:
            parsers[verb].add_argument("study", metavar="STUDY", help=NAMED)
            parsers[verb].add_argument(
                "tapes", nargs="*", metavar="SYMBOL=FILE", help="Candles besides the study's own."
            )
        for verb in ("run", "resume", "work"):
            add_processes_argument(parsers[verb])
        for verb in ("run", "resume"):
            add_run_arguments(parsers[verb])
        parsers["run"].add_argument("--quick", action="store_true", help="Few accounts and seeds.")
        for verb in ("report", "export"):
            parsers[verb].add_argument("--out", type=Path, default=Path("lab-report"))
        parsers["events"].add_argument("--policy", help="One policy; all by default.")
        parsers["verify"].add_argument("--policy", help="The baseline by default.")
        for verb in ("events", "verify"):
            parsers[verb].add_argument("--seed", type=seed_of, help="The first by default.")
        add_verify_arguments(parsers["verify"])

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"do_{options['verb']}")(**options)
        except ExchangeError as error:
            raise CommandError(error.detail) from error
        except BrokenPipeError:
            # Whoever reads has had enough, as `head` has.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            file = error.filename or options.get("out") or "A file"
            raise CommandError(f"{file}: {error.strerror}.") from error
        except DatabaseError as error:
            raise CommandError(f"The database: {first_line(error)}.") from error

    def do_check(self, study: str, tapes: Sequence[str] = (), **_: Any) -> None:
        asked = asked_study(study, tapes)
        must_fit(asked)
        self.say(f"{asked.name}: {shape(asked)}, {len(cells(asked)):,} cells.")
        for variant, tape in runs.inputs_of(asked):
            self.say(f"  {variant.name}: {tape.rows:,} rows, {len(tape.times):,} steps.")
        self.say(f"Digest {asked.digest}. Nothing is computed yet.")

    def do_run(self, study: str, tapes: Sequence[str], **options: Any) -> None:
        asked = asked_study(study, tapes)
        self.compute(runs.quick(asked) if options["quick"] else asked, **options)

    def do_work(self, processes: int, **_: Any) -> None:
        with needs_the_extra():
            import kpi.lab.cells.computing  # noqa: F401
        sys.exit(work(processes=processes))

    def do_resume(self, study: str, tapes: Sequence[str], **options: Any) -> None:
        asked = asked_study(study, tapes)
        if not LabStudy.objects.filter(digest=asked.digest).exists():
            raise CommandError(f"{study} has not been run yet: lab run {study}")
        self.compute(asked, **options)

    def compute(self, asked: Study, *, out: Path | None, celery: bool, **options: Any) -> None:
        """Compute what is missing, and say what was computed and what reused."""
        runs.inputs_of(asked)
        stored = store_study(study=asked, plans=cells(asked))
        requeue_cells(study=stored, failed=True)
        before, started = progress_of(stored), time.monotonic()
        self.say(
            f"{stored}: {before.total:,} cells, {before.done:,} done already, "
            f"{before.missing:,} to compute."
        )
        try:
            by_queue = self.by_workers if celery else self.by_processes
            by_queue(stored, asked, before, **options)
        except KeyboardInterrupt:
            connection.close()  # it may wait for the answer of a statement that was cut off
            raise CommandError(left(stored, "Stopped"), returncode=130) from None
        except DatabaseError as error:
            reason = f"The database took no more ({first_line(error)})"
            raise CommandError(f"{reason}. lab resume computes what is missing.") from error
        now = progress_of(stored)
        self.say(
            f"Computed {now.done - before.done:,}, reused {before.done:,}, "
            f"in {time.monotonic() - started:.1f} s."
        )
        must_be_done(stored, now)
        self.tell_answer(stored, asked, out)

    def by_processes(
        self, stored: LabStudy, asked: Study, before: Progress, *, processes: int, **_: Any
    ) -> None:
        with bar(before) as shown:

            def tell(cell: LabCell, error: str) -> None:
                shown.update()
                if error:
                    shown.write(f"{cell}: {last_line(error)}", file=sys.stderr)

            runs.compute_missing(stored, asked, processes=processes, tell=tell)

    def by_workers(
        self, stored: LabStudy, asked: Study, before: Progress, *, wait: int, **_: Any
    ) -> None:
        queue.send_tasks(stored, before.missing)
        with bar(before) as shown:
            queue.watch(
                stored,
                patience=wait,
                tell=lambda now: shown.update(done(now, before, shown)),
                silent=lambda: shown.write(NO_WORKER, file=sys.stderr),
            )

    def tell_answer(self, stored: LabStudy, asked: Study, out: Path | None) -> None:
        runs.conclude(stored, asked)
        stored.refresh_from_db()
        self.say(answer_of(stored) or "")
        if out is not None:
            for path in write_files(stored, asked, out):
                self.say(str(path))

    def do_list(self, **_: Any) -> None:
        studies = list(LabStudy.objects.defer("comparison", "manifest")[:MOST_LISTED])
        progress = progress_by_study(studies)
        for study in studies:
            now = progress[study.pk]
            self.say(
                f"{study.pk:>6}  {study.digest[:12]}  {study.created_at:%Y-%m-%d %H:%M}  "
                f"{now.done:>5} of {now.total:<5} {now.state:<8} {study.name}"
            )
        if not studies:
            self.say("No study yet: lab run STUDY.toml")

    def do_show(self, study: str, tapes: Sequence[str] = (), **_: Any) -> None:
        stored = stored_study(study, tapes)
        now = progress_of(stored)
        self.say(f"{stored.name}\nDigest {stored.digest}\n{stored.question}".strip())
        for facts in stored.policies:
            mark = " (baseline)" if facts["name"] == stored.baseline else ""
            self.say(f"  {facts['name']}{mark}: policy {facts['digest'][:12]}")
        self.say(
            f"{now.done:,} of {now.total:,} cells done, {now.running:,} running, "
            f"{now.failed:,} failed, {now.cpu_seconds:.1f} s of processor."
        )
        for cell in failed_cells(stored):
            self.say(f"  {cell}: {last_line(cell.error)}")
        self.say(answer_of(stored) or "No answer yet.")

    def do_compare(self, study: str, tapes: Sequence[str] = (), **_: Any) -> None:
        stored = stored_study(study, tapes)
        runs.conclude(stored, runs.study_again(stored))
        stored.refresh_from_db()
        self.say(answer_of(stored) or "")
        for line in lines_of(stored.comparison):
            self.say(line)

    def do_report(self, study: str, tapes: Sequence[str], out: Path, **_: Any) -> None:
        stored = stored_study(study, tapes)
        asked = runs.study_again(stored)
        self.tell_answer(stored, asked, out)

    def do_export(self, study: str, tapes: Sequence[str], out: Path, **_: Any) -> None:
        stored = stored_study(study, tapes)
        runs.conclude(stored, runs.study_again(stored))
        stored.refresh_from_db()
        answer: Any = stored.comparison
        for path in export(results_of(stored), answer, out):
            self.say(str(path))

    def do_events(
        self, study: str, tapes: Sequence[str], policy: str | None, seed: int | None, **_: Any
    ) -> None:
        with needs_the_extra():
            from kpi.lab.cells.computing import EVENT_COLUMNS, events
        asked = asked_study(study, tapes)
        names = [one.name for one in asked.policies]
        if policy is not None and policy not in names:
            raise CommandError(f"The study has no policy {policy!r}; it has {', '.join(names)}.")
        writer = csv.writer(self.stdout, lineterminator="\n")
        writer.writerow(EVENT_COLUMNS)
        for name in [policy] if policy else names:
            for row in events(asked, name, asked.seeds[0] if seed is None else seed):
                named = map(harmless, row[:TEXT_COLUMNS])
                writer.writerow([*named, *row[TEXT_COLUMNS:]])

    def do_verify(self, study: str, tapes: Sequence[str], **options: Any) -> None:
        with needs_the_extra():
            from kpi.lab.verification.verify import verify
        asked = asked_study(study, tapes)
        names = ("accounts", "start", "end", "policy", "seed", "threshold")
        try:
            for line in verify(asked, **{name: options[name] for name in names}):
                self.say(line)
                self.stdout.flush()
        except KeyboardInterrupt:
            raise CommandError("Stopped; the database is dropped.", returncode=130) from None

    def say(self, text: str) -> None:
        if text:
            self.stdout.write(text)
