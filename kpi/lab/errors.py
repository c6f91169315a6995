"""Refusals of the policy lab: each is one line that says where and what to do."""

from market.kernel.errors import ExchangeError

#: A refusal that is longer loses its middle.
LONGEST_LINE = 1000


class LabError(ExchangeError):
    """The lab does not go on; nothing was started."""

    code = "lab_error"


class LabNotInstalled(LabError):
    """A package of the lab's extra is missing."""

    code = "lab_not_installed"
    detail = "The lab's packages are not installed. Install them with: make lab"


class StudyError(LabError):
    """A study file, or a file that it names, cannot be used.

    ``file`` is its path, ``place`` the table and key, or the line, that is at fault.
    """

    code = "invalid_study"

    def __init__(self, file: str, place: str, message: str) -> None:
        self.file, self.place = file, place
        super().__init__(one_line(": ".join(part for part in (file, place, message) if part)))


def one_line(text: str) -> str:
    """Write a text on one line that a terminal shows, whatever an input put into it."""
    line = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return line if len(line) <= LONGEST_LINE else f"{line[:500]} … {line[-300:]}"
