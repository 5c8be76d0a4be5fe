"""A paper's table beside the measured numbers."""

from __future__ import annotations

from fer_gym.benchmark.records import Record, Results, TaskResults
from fer_gym.benchmark.report.statistics import Interval, mean_interval
from fer_gym.benchmark.report.tables import NOTHING, Cell, Table
from fer_gym.benchmark.spec import papers
from fer_gym.benchmark.spec.papers import TITLES, Measure, PaperTable, Row
from fer_gym.benchmark.spec.published import CLASSES
from fer_gym.benchmark.spec.tasks import Arm


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
            *(_measured(task, row, each) for each in paper.measures),
        )
        for row in paper.rows
    ]
    shown = {row.arm.name for row in paper.rows if row.arm is not None}
    if all(row.key is None for row in paper.rows):
        nothing = [NOTHING] * len(published)
        others = [Row(f"({arm})", {}, Arm(arm, "")) for arm in task.arms if arm not in shown]
        rows += [(row.name, *nothing, *(_measured(task, row, each) for each in paper.measures)) for row in others]
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
    rows: list[tuple[Cell, ...]] = []
    for row in paper.rows:
        for dataset, methods in paper.by_class.items():
            if row.name in methods:
                rows.append((row.name, f"published, {TITLES[dataset]}", *methods[row.name].values()))
        if row.arm is not None and row.arm.name in task.arms:
            rows.append((row.name, f"measured, {task.name}", *_recalls(list(task.arms[row.arm.name].values()))))
    note = "Recall in percent; measured: mean over the seeds ± half of Student's 95 % interval."
    return [Table(f"{paper.title}, by class", note, ("", "", *CLASSES), tuple(rows))]


def _recalls(records: list[Record]) -> list[Cell]:
    """The recall of each of `CLASSES` over some records, %; data sets spell the classes alike in three letters."""
    found: dict[str, list[float]] = {}
    for confusion in (record["confusion"] for record in records if "confusion" in record):
        for place, name in enumerate(confusion["classes"]):
            row = confusion["counts"][place]
            if sum(row):
                found.setdefault(name[:3].lower(), []).append(100.0 * row[place] / sum(row))
    return [mean_interval(found[name[:3]]) if name[:3] in found else NOTHING for name in CLASSES]


def _measured(task: TaskResults, row: Row, measure: Measure) -> Interval | str:
    if row.arm is None or row.arm.name not in task.arms:
        return NOTHING
    keys = measure.keys if row.key is None else (*measure.keys, row.key)
    factor = 100.0 if measure.percent else 1.0
    values = [factor * number for number in task.scores(row.arm.name, *keys).values()]
    return mean_interval(values) if values else NOTHING
