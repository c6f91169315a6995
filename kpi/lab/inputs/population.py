"""Where the accounts of a study come from: drawn by seed, a file, or the running exchange."""

from kpi.lab.inputs.accounts import Entries, Population
from kpi.lab.inputs.population_drawn import draw_population
from kpi.lab.inputs.population_exchange import taken_population
from kpi.lab.inputs.population_file import read_population
from kpi.lab.inputs.specs import Study
from kpi.lab.inputs.tape import Tape

__all__ = ["Entries", "Population", "make_population"]


def make_population(study: Study, seed: int, tape: Tape) -> Population:
    """Return the accounts of a study: the same under every policy, on every variant of its tape.

    Raises StudyError.
    """
    spec = study.population
    if spec.kind == "file":
        return read_population(spec.file, tape)
    if spec.kind == "exchange":
        return taken_population(spec.file, spec.sha256, tape.instruments)
    return draw_population(spec, seed, tape)
