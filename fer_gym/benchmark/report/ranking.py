"""Agents ranked over the calibrated tasks of an environment, by their normalised scores."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from fer_gym.benchmark.records import Results, TaskResults, paired
from fer_gym.benchmark.report import summary
from fer_gym.benchmark.report.drawing import Picture, draw_lines, panel, styles
from fer_gym.benchmark.report.statistics import Placed, interquartile_mean_over_tasks, probability_of_improvement
from fer_gym.benchmark.report.tables import NOTHING, Cell, Table
from fer_gym.tasks import TASKS

_POINTS = np.linspace(-0.5, 1.5, 201)


def by_environment(results: Results) -> dict[str, list[TaskResults]]:
    """The calibrated tasks that have records, by environment."""
    found: dict[str, list[TaskResults]] = {}
    for task in results.tasks:
        if task.name in TASKS and any(task):
            found.setdefault(task.environment, []).append(task)
    return found


def table(tasks: list[TaskResults]) -> Table:
    """The arms that have a record in every task, best first."""
    by_arm = _placed(tasks)
    first = next(iter(by_arm), tasks[0].first)
    rows: list[tuple[Cell, ...]] = []
    for arm, placed in by_arm.items():
        improvement: Cell = NOTHING
        if arm != first:
            pairs = (paired(summary.scores(task, arm), summary.scores(task, first)) for task in tasks)
            ours, theirs = zip(*pairs, strict=True)
            improvement = probability_of_improvement(ours, theirs) if all(ours) else NOTHING
        runs = sum(len(np.atleast_1d(each.scores)) for each in placed)
        rows.append((arm, interquartile_mean_over_tasks(placed), improvement, runs))
    rows.sort(key=lambda row: -row[1].estimate)  # type: ignore[union-attr]
    note = (
        f"Interquartile mean of the normalised scores of {len(tasks)} tasks, 0 being as good as nothing or chance and "
        "1 as good as the reference, with a 95 % bootstrap interval that resamples each task's seeds and references. "
        f"P(improvement): that a run beats the run of {first} under the same seed, with an exact interval."
    )
    return Table("Ranking", note, ("arm", "normalised score", f"P(improvement on {first})", "runs"), tuple(rows))


def profile(tasks: list[TaskResults]) -> Picture | None:
    """The share of each arm's runs above every normalised score; None if no arm has a record in every task."""
    placed = _placed(tasks)
    if not placed:
        return None
    look = styles(placed)

    def draw(axis: Axes) -> None:
        for arm, each in placed.items():
            pooled = np.concatenate([task.normalised for task in each])
            above = (pooled[None] > _POINTS[:, None]).mean(axis=1)
            draw_lines(axis, above[None], look[arm], _POINTS[None])

    medians = ", ".join(
        f"{arm} {np.median(np.concatenate([task.normalised for task in each])):.2f}" for arm, each in placed.items()
    )
    one = panel(draw, "", f"Medians: {medians}", "normalised score", "share of runs above it", (5.2, 3.2))
    caption = f"Of {len(tasks)} tasks. An arm whose line lies above another's at every score is the better one."
    return Picture("Performance profiles", caption, (one,), tuple(look.items()))


def _placed(tasks: list[TaskResults]) -> dict[str, list[Placed]]:
    """The scores of each arm that has some in every task."""
    found: dict[str, list[Placed]] = {}
    for arm in dict.fromkeys(arm for task in tasks for arm in task.arms):
        scores = [summary.scores(task, arm) if arm in task.arms else {} for task in tasks]
        if all(scores):
            found[arm] = [
                Placed(list(each.values()), TASKS[task.name].trivial.scores, TASKS[task.name].reference.scores)
                for task, each in zip(tasks, scores, strict=True)
            ]
    return found
