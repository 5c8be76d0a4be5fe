"""A paper's table beside the measured numbers."""

from __future__ import annotations

from collections.abc import Iterable

from fer_gym.benchmark.records import Record, Results, TaskResults
from fer_gym.benchmark.report.statistics import Interval, mean_interval
from fer_gym.benchmark.report.tables import NOTHING, Cell, Table
from fer_gym.benchmark.spec import papers
from fer_gym.benchmark.spec.papers import TITLES, Measure, PaperTable


def tables(results: Results) -> list[Table]:
    """The paper's numbers, and beside them the measured ones; none if the suite runs no paper's table."""
    found = papers.of_suite(results.suite)
    if found is None:
        return []
    (paper, scale, suite), task = found, results.tasks[0]
    published = tuple(dict.fromkeys(column for row in paper.rows for column in row.published))
    rows = [
        (
            row.name,
            *(row.published.get(column, NOTHING) for column in published),
            *(_measured(task, row.arm.name if row.arm else None, each, row.key) for each in paper.measures),
        )
        for row in paper.rows
    ]
    shown = {row.arm.name for row in paper.rows if row.arm is not None}
    if all(row.key is None for row in paper.rows):
        nothing = [NOTHING] * len(published)
        others = [arm for arm in task.arms if arm not in shown]
        rows += [(f"({arm})", *nothing, *(_measured(task, arm, each) for each in paper.measures)) for arm in others]
    seeds = len({seed for arm in shown for seed in task.arms.get(arm, {})})
    note = (
        f"Scale {scale}, {task.name}; measured: mean over {seeds} {'seed' if seeds == 1 else 'seeds'} ± half of "
        f"Student's 95 % interval; rows in brackets are not the paper's. "
        f"Not as in the paper: {'; '.join(paper.differs(suite))}."
    )
    columns = (*(f"published: {name}" for name in published), *(f"measured: {each.name}" for each in paper.measures))
    return [Table(paper.title, note, ("", *columns), tuple(rows)), *_by_class(paper, task)]


def _by_class(paper: PaperTable, task: TaskResults) -> list[Table]:
    """The recall of each class: what the paper prints for each of its data sets, and what was measured."""
    if not paper.by_class:
        return []
    columns = next(iter(next(iter(paper.by_class.values())).values()))
    rows: list[tuple[Cell, ...]] = []
    for row in paper.rows:
        for dataset, methods in paper.by_class.items():
            if row.name in methods:
                rows.append((row.name, f"published, {TITLES[dataset]}", *methods[row.name].values()))
        if row.arm is not None and row.arm.name in task.arms:
            rows.append((row.name, f"measured, {task.name}", *_recalls(task.arms[row.arm.name].values(), columns)))
    note = "Recall; measured: mean over the seeds ± half of Student's 95 % interval."
    return [Table(f"{paper.title}, by class", note, ("", "", *columns), tuple(rows))]


def _recalls(records: Iterable[Record], columns: Iterable[str]) -> list[Cell]:
    """The recall, %, of each column's class over some records; data sets spell the classes alike in three letters."""
    found: dict[str, list[float]] = {}
    for confusion in (record["confusion"] for record in records if "confusion" in record):
        for place, name in enumerate(confusion["classes"]):
            row = confusion["counts"][place]
            if sum(row):
                found.setdefault(name[:3].lower(), []).append(100.0 * row[place] / sum(row))
    return [mean_interval(found[name[:3]]) if name[:3] in found else NOTHING for name in columns]


def _measured(task: TaskResults, arm: str | None, measure: Measure, key: str | None = None) -> Interval | str:
    if arm not in task.arms:
        return NOTHING
    keys = measure.keys if key is None else (*measure.keys, key)
    factor = 100.0 if measure.percent else 1.0
    values = [factor * number for number in task.scores(arm, *keys).values()]
    return mean_interval(values) if values else NOTHING
