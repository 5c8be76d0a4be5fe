"""What the figures of a report have in common: styles, panels and lines."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

# Okabe and Ito's colours, which the colour-blind can tell apart, without their yellow, which is faint on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# The arms after the seventh have the same colours, with other lines and points.
DASHES = ("", "6 3", "2 2")
_MARKERS = ("o", "s", "^")
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: a third of the size, and sharp
    "svg.hashsalt": "fer-gym",  # the same records give the same file
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


@dataclass(frozen=True)
class Style:
    """How an arm is drawn, the same in every panel of a task.

    Attributes:
        colour: as HTML writes it.
        dash: of a line, as SVG writes it.
        marker: of a point, as Matplotlib writes it; "" draws none.
    """

    colour: str
    dash: str
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """The keywords of a line in Matplotlib."""
        dashes = tuple(float(length) for length in self.dash.split())
        return {"color": self.colour, "linestyle": (0, dashes) if dashes else "solid"}


@dataclass(frozen=True)
class Panel:
    """One drawing: an SVG, and a text in its place for readers who cannot see it."""

    svg: bytes
    alt: str


@dataclass(frozen=True)
class Picture:
    """Panels with one caption.

    Attributes:
        title: what they show.
        caption: how to read them.
        panels: a picture without any is not shown.
        legend: what the lines and points stand for; empty where the panels say so.
    """

    title: str
    caption: str
    panels: tuple[Panel, ...]
    legend: tuple[tuple[str, Style], ...] = ()


def styles(arms: Iterable[str]) -> dict[str, Style]:
    """How each arm is drawn."""
    made = {}
    for place, arm in enumerate(arms):
        again, colour = divmod(place, len(COLOURS))
        again %= len(DASHES)
        made[arm] = Style(COLOURS[colour], DASHES[again], _MARKERS[again])
    return made


def panel(
    draw: Callable[[Axes], None],
    title: str,
    alt: str,
    x_label: str,
    y_label: str,
    size: tuple[float, float] = (3.4, 2.6),
) -> Panel:
    """Draw one panel of so many inches."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        draw(axis)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Panel(buffer.getvalue(), alt)


def draw_lines(
    axis: Axes,
    rows: NDArray[np.float64],
    look: Style,
    places: NDArray[np.float64] | None = None,
) -> None:
    """A thin line for each row and a thick one for their mean, at `places` of the rows' shape or from 1 on."""
    if places is None:
        places = np.broadcast_to(np.arange(1.0, rows.shape[1] + 1), rows.shape)
    if len(rows) > 1:
        axis.plot(places.T, rows.T, linewidth=0.7, alpha=0.4, **look.line)
    marker = "." if rows.shape[1] < 20 else ""
    axis.plot(mean_of(places), mean_of(rows), linewidth=1.8, marker=marker, **look.line)
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))


def filled(rows: Iterable[Sequence[float | None]]) -> NDArray[np.float64]:
    """Rows of one length: NaN after the end of a shorter row, and in place of None."""
    return np.array([*itertools.zip_longest(*rows)], dtype=np.float64).T


def mean_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the rows that have a number at each place; NaN where none has."""
    counts = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    means: NDArray[np.float64] = np.where(np.isnan(rows).all(axis=0), np.nan, np.nansum(rows, axis=0) / counts)
    return means
