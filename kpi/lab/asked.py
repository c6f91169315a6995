"""Which study somebody means: one of a file, or one that is stored."""

from collections.abc import Sequence
from pathlib import Path

from kpi.lab.errors import LabError
from kpi.lab.inputs.config import read_study
from kpi.lab.inputs.exchange_book import take_book
from kpi.lab.inputs.specs import Study
from kpi.lab.models import LabStudy
from kpi.lab.runs import study_again
from kpi.lab.selectors import find_study
from market.candle_files import files_by_symbol
from market.errors import ReplayError


def asked_study(named: str, tapes: Sequence[str]) -> Study:
    """Return the study of a file, or a stored one as it was asked. Raises ExchangeError."""
    if is_file(named):
        return read_study(named, tapes_of(tapes), take=take_book)
    if tapes:
        raise LabError("Candles are named beside a study file; a stored study has its own.")
    return study_again(find_study(named=named))


def stored_study(named: str, tapes: Sequence[str]) -> LabStudy:
    """Return a stored study by its file, name, number or digest. Raises ExchangeError."""
    if not is_file(named):
        return find_study(named=named)
    stored = LabStudy.objects.filter(digest=read_study(named, tapes_of(tapes)).digest).first()
    if stored is None:
        raise LabError(f"{named} has not been run yet: lab run {named}")
    return stored


def is_file(named: str) -> bool:
    return named.endswith(".toml") or Path(named).is_file()


def tapes_of(arguments: Sequence[str]) -> dict[str, str]:
    """Return the files of SYMBOL=FILE. Raises LabError."""
    try:
        return files_by_symbol(arguments)
    except ReplayError as error:
        raise LabError(str(error)) from None
