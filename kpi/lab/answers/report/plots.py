"""The kinds of plots that a report has, as SVG; the sections say what is drawn.

They are given numbers and names alone. Amounts are floats here, since a plot shows three digits.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from kpi.lab.answers.report.drawing import (
    GRID,
    LESS_HARM,
    MORE_HARM,
    NO_TELLING,
    TEXT,
    draw,
    legend,
    legend_height,
    line,
    name_rows,
    point,
    rows_height,
    short,
    time_axis,
    value_axis,
)

Lines = Mapping[str, Sequence[float]]


class Bar(NamedTuple):
    """A mean with its interval; ``better`` is the way that harms less."""

    mean: float
    low: float
    high: float
    better: str = "neither"

    @property
    def color(self) -> str:
        if self.low <= 0 <= self.high or self.better == "neither":
            return NO_TELLING
        return LESS_HARM if (self.mean < 0) == (self.better == "less") else MORE_HARM


def differences(panels: Mapping[str, tuple[str, Mapping[str, Bar]]]) -> str:
    """Draw differences to the baseline with their intervals, by title its unit and policies."""

    def paint(all_axes: Sequence[Axes]) -> None:
        for axes, (title, (unit, bars)) in zip(all_axes, panels.items(), strict=True):
            axes.axvline(0, color=TEXT, linewidth=1)
            for place, bar in enumerate(bars.values()):
                marker = {LESS_HARM: "o", MORE_HARM: "s"}.get(bar.color, "D")
                axes.plot([bar.low, bar.high], [place, place], color=bar.color, linewidth=3)
                axes.plot(bar.mean, place, marker, color=bar.color, markersize=7)
            axes.set_title(title)
            name_rows(axes, list(bars))
            value_axis(axes.xaxis, unit)

    heights = (0.8 + rows_height(list(bars)) for _, bars in panels.values())
    return draw(len(panels), sum(heights), paint)


def courses(times: Sequence[float], panels: Sequence[tuple[str, str, Lines]]) -> str:
    """Draw lines over time, one panel by its title and unit above another, all named."""

    def paint(all_axes: Sequence[Axes]) -> None:
        for axes, (title, unit, lines) in zip(all_axes, panels, strict=True):
            for place, (name, values) in enumerate(lines.items()):
                axes.plot(days, values, label=name, **line(place))
            value_axis(axes.yaxis, unit)
            legend(axes, list(lines), title)
            time_axis(axes)

    days = [time / 86_400 for time in times]
    heights = (2.4 + legend_height(list(lines)) for _, _, lines in panels)
    return draw(len(panels), sum(heights), paint, sharex=True)


def curve(xs: Sequence[float], lines: Lines, x_label: str, y_label: str) -> str:
    """Draw lines with markers over a few values."""

    def paint(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        for place, (name, values) in enumerate(lines.items()):
            axes.plot(xs, values, label=name, **line(place) | point(place))
        if max(xs) > 20 * min(xs):
            axes.set_xscale("log")
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(x_label)
        axes.set_ylim(bottom=0)
        value_axis(axes.yaxis, y_label)
        legend(axes, list(lines))

    return draw(1, 3.2 + legend_height(list(lines)), paint)


def spans(points: Lines, names: Sequence[str], label: str) -> str:
    """Draw by policy a point for each of the names, and the range that they span."""

    def paint(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        for place, found in enumerate(points.values()):
            axes.hlines(place, min(found), max(found), color=GRID, linewidth=7)
        for n, name in enumerate(names):
            values = [found[n] for found in points.values()]
            axes.plot(values, range(len(values)), linestyle="none", label=name, **point(n))
        name_rows(axes, list(points))
        axes.set_xlim(left=-0.02 * axes.get_xlim()[1])
        value_axis(axes.xaxis, label)
        legend(axes, names)

    return draw(1, 0.9 + legend_height(names) + rows_height(list(points)), paint)


def groups(
    panels: Mapping[str, tuple[str, Mapping[str, Sequence[float]]]], names: Sequence[str]
) -> str:
    """Draw groups of bars: by title a unit and, by policy, a value for each of the names."""

    def paint(all_axes: Sequence[Axes]) -> None:
        for axes, (title, (unit, groups)) in zip(all_axes, panels.items(), strict=True):
            width = 0.8 / len(groups)
            for n, (policy, values) in enumerate(groups.items()):
                places = [place + (n + 0.5) * width - 0.4 for place in range(len(names))]
                axes.bar(places, values, width * 0.9, label=policy, color=point(n)["color"])
            axes.axhline(0, color=TEXT, linewidth=1)
            axes.set_xticks(range(len(names)), names)
            axes.grid(visible=False, axis="x")
            value_axis(axes.yaxis, unit)
            legend(axes, list(groups), title)

    heights = (2.4 + legend_height(list(groups)) for _, groups in panels.values())
    return draw(len(panels), sum(heights), paint)


def heat(
    cells: Sequence[Sequence[float]], columns: Sequence[str], rows: Sequence[str], label: str
) -> str:
    """Draw a table of values as shades, the number in each field."""

    def paint(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        image = axes.imshow(cells, cmap="YlOrBr", aspect="auto")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.grid(visible=False)
        low, high = image.get_clim()
        for y, row in enumerate(cells):
            for x, cell in enumerate(row):
                color = "white" if cell > (low + high) / 2 else "black"
                axes.text(x, y, short(float(f"{cell:.3g}")), ha="center", va="center", color=color)
        bar = axes.figure.colorbar(image, ax=axes, label=label)
        value_axis(bar.ax.yaxis, label)

    return draw(1, 1.6 + 0.5 * len(rows), paint)


def bands(rows: Mapping[str, tuple[float | None, float, float]]) -> str:
    """Draw what a run gave as a point beside the published range, in percent."""

    def paint(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        for place, (given, low, high) in enumerate(rows.values()):
            first = place == 0
            span = max(high - low, 0.01)
            label = "published" if first else None
            axes.barh(place, 100 * span, left=100 * low, height=0.5, color="#a7c7e7", label=label)
            if given is not None:
                axes.plot(
                    100 * given, place, "D", color=MORE_HARM, label="this run" if first else None
                )
        axes.set_xlim(0, 100)
        name_rows(axes, list(rows))
        axes.set_xlabel("%")
        legend(axes, ["published", "this run"])

    return draw(1, 1.1 + rows_height(list(rows)), paint)
