"""How a report's plots look: colours that everybody can tell apart, axes with few short numbers.

Drawn without pyplot, so that nothing is shared between threads, and without a date or a random id,
so that the same figures give the same bytes.
"""

from collections.abc import Callable, Sequence
from datetime import UTC
from io import StringIO
from textwrap import fill
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

#: Of Okabe and Ito, told apart by people with any colour vision; markers tell it once more.
COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#b05a8e", "#56b4e9", "#b97f00", "#333333")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
#: So many policies can be told apart in one plot.
MOST_LINES: Final = len(COLORS)
LESS_HARM, MORE_HARM, NO_TELLING = "#0072b2", "#d55e00", "#6b7280"
TEXT, GRID = "#374151", "#e5e7eb"
#: Beside a row a name takes a line for so many characters.
ROW_NAME: Final = 28
#: In inches: wide enough beside a text, and still read on a phone.
WIDTH: Final = 6

STYLE: Final[Any] = {
    "svg.hashsalt": "lab",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.labelcolor": TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "text.color": TEXT,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.parse_math": False,  # a policy may be called $x$
}


def draw(
    panels: int, height: float, paint: Callable[[Sequence[Axes]], None], **options: Any
) -> str:
    """Return an SVG of panels below one another; ``paint`` fills their axes."""
    with matplotlib.rc_context(STYLE):
        layout = ConstrainedLayoutEngine()
        figure = Figure(figsize=(WIDTH, height), layout=layout)
        FigureCanvasSVG(figure)
        axes = figure.subplots(panels, squeeze=False, **options)[:, 0]
        paint(list(axes))
        # Left to savefig, the layout takes one more drawing of it all, which nobody sees.
        layout.execute(figure)
        figure.set_layout_engine(None)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def line(place: int) -> dict[str, Any]:
    """Return how the line of a place among others looks."""
    return {"color": COLORS[place % MOST_LINES], "linestyle": DASHES[place % MOST_LINES]}


def point(place: int) -> dict[str, Any]:
    return {"color": COLORS[place % MOST_LINES], "marker": MARKERS[place % MOST_LINES]}


def short(value: float, _place: int = 0) -> str:
    """Write a number of an axis: 1.5 M; a dash where there is none."""
    if value != value:
        return "–"
    for size, word in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{word}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


def value_axis(axis: Any, label: str, ticks: int = 5) -> None:
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(short))
    axis.set_label_text(label)


def time_axis(axes: Axes) -> None:
    """Tell days and hours in UTC on a horizontal axis of seconds since 1970, given in days."""
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    named = ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(named)
    axes.margins(x=0.01)


def legend(axes: Axes, names: Sequence[str], title: str = "") -> None:
    """Name lines above the axes, where they hide nothing; then comes the title."""
    rows, columns = legend_size(names)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)
    axes.set_title(title, pad=8 + 15 * rows)


def legend_size(names: Sequence[str]) -> tuple[int, int]:
    """Return into how many rows and columns names fit."""
    columns = max(1, min(len(names), 72 // (max(map(len, names)) + 8)))
    return -(-len(names) // columns), columns


def legend_height(names: Sequence[str]) -> float:
    return 0.21 * legend_size(names)[0]


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name rows from top to bottom."""
    axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def rows_height(names: Sequence[str]) -> float:
    return sum(0.12 + 0.17 * (1 + wrapped(name).count("\n")) for name in names)


def wrapped(name: str) -> str:
    return fill(name, ROW_NAME)
