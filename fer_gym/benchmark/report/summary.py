"""What a reader wants first: each arm's score in each task, raw and normalised, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from fer_gym.benchmark.records import Results, TaskResults, learning_steps, value
from fer_gym.benchmark.report.drawing import Picture, panel, styles
from fer_gym.benchmark.report.statistics import mean_interval, normalised
from fer_gym.benchmark.report.tables import MAIN_SCORE, NOTHING, TEST_SCORES, Cell, Table
from fer_gym.tasks import TASKS

_NAME = f"test {TEST_SCORES[MAIN_SCORE]}"


def scores(task: TaskResults, arm: str) -> dict[int, float]:
    """An arm's main score by seed: of its mean action where that was measured, else of actions drawn."""
    by_mean = task.scores(arm, "test_by_mean", MAIN_SCORE)
    return {**task.scores(arm, "test", MAIN_SCORE), **by_mean}


def table(task: TaskResults) -> Table:
    """The arms of a task."""
    known = TASKS.get(task.name)
    rows: list[tuple[Cell, ...]] = []
    every = {arm: task.scores(arm, "test", MAIN_SCORE) for arm in task.arms}
    # Of the arms whose actions are not all their mean action.
    drawn = {arm: list(found.values()) for arm, found in every.items() if found and found != scores(task, arm)}
    for arm, by_seed in task.arms.items():
        found = list(scores(task, arm).values())
        place: tuple[Cell, ...] = ()
        if known is not None:
            place = (normalised(found, known.trivial.scores, known.reference.scores) if found else NOTHING,)
        score: Cell = mean_interval(found) if found else NOTHING
        of_draws: tuple[Cell, ...] = (mean_interval(drawn[arm]) if arm in drawn else NOTHING,) if drawn else ()
        records = list(by_seed.values())
        costs = (
            _mean([learning_steps(each["scores"]) for each in records]),
            _mean([value(each, "seconds") for each in records]),
        )
        rows.append((arm, *place, score, *of_draws, *costs))
    note = "Mean over the seeds ± half of Student's 95 % interval. "
    if drawn:
        note += (
            "An agent that draws is scored under its most probable or mean action, and beside that under its draws. "
        )
    note += "Gradient steps are those that an agent learnt from."
    if known is not None:
        note += (
            f" Normalised: 0 is {known.trivial.name} ({known.trivial.mean:.3f}), 1 is {known.reference.name} "
            f"({known.reference.mean:.3f}); its bootstrap interval resamples those as well."
        )
    placed = ("normalised score",) if known is not None else ()
    beside = ("by its draws",) if drawn else ()
    return Table(
        f"Summary of {task.name}", note, ("arm", *placed, _NAME, *beside, "gradient steps", "seconds"), tuple(rows)
    )


def picture(results: Results) -> Picture:
    """Every arm's score in every task, between the references; no panel if there is no score."""
    panels = []
    for task in results.tasks:
        arms = {arm: list(found.values()) for arm in task.arms if (found := scores(task, arm))}
        if not arms:
            continue
        known = TASKS.get(task.name)

        def draw(axis: Axes, arms: dict[str, list[float]] = arms, task: TaskResults = task) -> None:
            for place, (arm, found) in enumerate(arms.items()):
                colour = styles(task.arms)[arm].colour
                axis.barh(place, float(np.mean(found)), color=colour, height=0.6, alpha=0.8)
                axis.plot(found, [place] * len(found), "|", color="black", markersize=8)
            if (known := TASKS.get(task.name)) is not None:
                for reference in (known.trivial, known.reference):
                    axis.axvline(reference.mean, color="black", linestyle="dashed", linewidth=1)
            axis.set_yticks(range(len(arms)), list(arms))
            axis.invert_yaxis()

        words = ", ".join(f"{arm} {np.mean(found):.3f}" for arm, found in arms.items())
        alt = f"{_NAME} in {task.name}: {words}"
        if known is not None:
            alt += f"; between {known.trivial.mean:.3f} and {known.reference.mean:.3f}"
        panels.append(panel(draw, task.name, alt, _NAME, "", (4.6, 0.9 + 0.32 * len(arms))))
    caption = "Bar: mean over the seeds, which are the ticks. Dashed: the references of a calibrated task, 0 and 1."
    return Picture("Summary", caption, tuple(panels))


def _mean(numbers: Sequence[float | None]) -> Cell:
    there = [number for number in numbers if number is not None]
    return round(float(np.mean(there))) if there else NOTHING
