"""A paper's table beside the measured numbers."""

from __future__ import annotations

from fer_gym.benchmark.records import Results, TaskResults
from fer_gym.benchmark.report.statistics import Interval, mean_interval
from fer_gym.benchmark.report.tables import NOTHING, Table
from fer_gym.benchmark.spec import papers
from fer_gym.benchmark.spec.papers import Measure


def table(results: Results) -> Table | None:
    """The paper's numbers, and beside them the measured ones; None if the suite runs no paper's table."""
    found = papers.of_suite(results.suite)
    if found is None:
        return None
    (paper, scale), task = found, results.tasks[0]
    published = tuple(paper.rows[0].published)
    rows = [
        (row.name, *row.published.values(), *(_measured(task, row.arm.name, each, row.key) for each in paper.measures))
        for row in paper.rows
    ]
    shown = {row.arm.name for row in paper.rows}
    if all(row.key is None for row in paper.rows):
        nothing = [NOTHING] * len(published)
        others = [arm for arm in task.arms if arm not in shown]
        rows += [(f"({arm})", *nothing, *(_measured(task, arm, each) for each in paper.measures)) for arm in others]
    seeds = len({seed for row in paper.rows for seed in task.arms.get(row.arm.name, {})})
    note = (
        f"Scale {scale}; measured: mean over {seeds} {'seed' if seeds == 1 else 'seeds'} ± half of Student's 95 % "
        f"interval; rows in brackets are not the paper's. Not as in the paper: {'; '.join(paper.differs[scale])}."
    )
    columns = (*(f"published: {name}" for name in published), *(f"measured: {each.name}" for each in paper.measures))
    return Table(paper.title, note, ("", *columns), tuple(rows))


def _measured(task: TaskResults, arm: str, measure: Measure, key: str | None = None) -> Interval | str:
    keys = measure.keys if key is None else (*measure.keys, key)
    factor = 100.0 if measure.percent else 1.0
    values = [factor * number for number in task.scores(arm, *keys).values()] if arm in task.arms else []
    return mean_interval(values) if values else NOTHING
