"""Confusion matrices of the test images."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fer_gym.benchmark.records import Record, TaskResults
from fer_gym.benchmark.report.drawing import Picture, panel


def pictures(task: TaskResults) -> Picture:
    """A panel for each arm, all its seeds together; none if no record has a matrix."""
    panels = []
    for arm, by_seed in task.arms.items():
        found = [each for record in by_seed.values() if (each := _of(record)) is not None]
        if not found:
            continue
        classes: list[str] = found[0]["classes"]
        counts = np.sum([each["counts"] for each in found], axis=0)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

        def draw(axis: Axes, shares: NDArray[np.float64] = shares, classes: list[str] = classes) -> None:
            axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            axis.grid(visible=False)
            for (row, column), share in np.ndenumerate(shares):
                colour = "white" if share > 0.5 else "black"
                axis.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=7)
            axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
            axis.set_yticks(range(len(classes)), classes)

        words = ", ".join(f"{name} {share:.2f}" for name, share in zip(classes, np.diagonal(shares), strict=True))
        panels.append(panel(draw, arm, f"{arm}, share recognised: {words}", "predicted", "true", (3.2, 3.2)))
    caption = "In percent of the test images of the true class, all seeds together. The diagonal is the class's recall."
    return Picture("Confusion matrices", caption, tuple(panels))


def _of(record: Record) -> dict[str, Any] | None:
    """The matrix of a record; in RegTune-v0 that of the first child."""
    holder = record["children"][0] if "children" in record else record
    found: dict[str, Any] | None = holder.get("confusion")
    return found
