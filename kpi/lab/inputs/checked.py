"""All that a study reads, looked at before anything is started."""

from collections.abc import Iterator

from kpi.lab.errors import StudyError
from kpi.lab.inputs.population import make_population
from kpi.lab.inputs.specs import Study, Variant
from kpi.lab.inputs.tape import Tape, read_tape


def read_inputs(study: Study) -> Iterator[tuple[Variant, Tape]]:
    """Yield the variants of a study with their tapes, and draw or read the first seed's accounts.

    Raises StudyError, with file and line or table and key.
    """
    for variant in study.variants:
        tape = read_tape(study, variant)
        check_volume(study, tape)
        yield variant, tape
    make_population(study, study.seeds[0], tape)


def check_volume(study: Study, tape: Tape) -> None:
    """Raise StudyError where impact is asked of a symbol that is not known to be traded."""
    for symbol, traded in zip(tape.instruments.symbols, tape.volume.sum(axis=0), strict=True):
        if study.impact.mode != "none" and not traded:
            raise StudyError(
                study.file, "[impact] mode", f"the candles of {symbol} have no volume; add it."
            )
