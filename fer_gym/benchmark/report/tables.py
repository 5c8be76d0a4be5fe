"""Results as tables. Every number comes from the records; a dash stands where they have none."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_gym.benchmark.records import Record, Results, TaskResults, value
from fer_gym.benchmark.report.statistics import (
    Interval,
    interquartile_mean,
    interquartile_mean_difference,
    mean_difference,
    mean_interval,
    probability_of_improvement,
)
from fer_gym.description import in_words

Cell = str | int | float | Interval
NOTHING = "—"

#: The scores on the test images, by their names in the records.
TEST_SCORES = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "average_accuracy": "average accuracy",
    "macro_f1_of_means": "macro F1 (Eq. 7)",
}
#: The score that arms are compared by.
MAIN_SCORE = "macro_f1"
_TEST = {f"test {name}": ("test", key) for key, name in TEST_SCORES.items()}
_SELECTION = {**_TEST, "keep ratio": ("keep_ratio",)}
# Costs besides gradient steps, each the sum of its parts.
_COUNTED = {
    "env_steps": "environment steps to learn",
    "images_trained": "images trained on",
    "images_evaluated": "images evaluated",
}
_MEANS = "Mean over the seeds ± half of Student's 95 % interval."
# The returns stand beside the test scores, since only those measure success: the gap rises without learning too.
_TUNING = {
    **dict(list(_TEST.items())[:2]),
    "gap return": ("gap_return",),
    "change of validation F1": ("val_f1_change",),
    "training F1": ("train_f1",),
    "mean strength": ("mean_strength",),
    **_TEST,
}


@dataclass(frozen=True)
class Table:
    """Rows of cells, and what they mean.

    Attributes:
        title: what the table is.
        note: how its numbers were made.
        columns: the first names the rows.
        rows: as many cells each.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def texts(self) -> list[list[str]]:
        """The rows in words."""
        return [[_text(cell) for cell in row] for row in self.rows]

    def is_words(self, column: int) -> bool:
        """Whether a column has words, not numbers."""
        return all(isinstance(row[column], str) for row in self.rows)

    def markdown(self) -> str:
        """The table as Markdown, its title in bold above it and its note below."""
        lines = [self.columns, ("---",) * len(self.columns), *self.texts()]
        rows = "\n".join(
            "| " + " | ".join(in_markdown(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
        )
        return f"**{in_markdown(self.title)}**\n\n{rows}\n\n{in_markdown(self.note)}\n"


def in_markdown(text: str) -> str:
    """Text on one line that Markdown shows as it is: no HTML, no link, no picture."""
    return html.escape(" ".join(text.splitlines()), quote=False).replace("](", "]\\(")


def _in_csv(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text that begins like one has an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def to_csv(tables: Iterable[tuple[str, Table]]) -> str:
    """Every cell of every table as a line of its own: what it is, and its number in full with the interval's bounds.

    Args:
        tables: each with the task that it is of.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("task", "table", "row", "column", "value", "low", "high"))
    for task, table in tables:
        for name, *cells in table.rows:
            for column, cell in zip(table.columns[1:], cells, strict=True):
                bounds: tuple[Any, ...] = (cell, "", "")
                if isinstance(cell, Interval):
                    bounds = (cell.estimate, cell.low, cell.high) if cell.bounded else (cell.estimate, "", "")
                cells_of_line = (task, table.title, name, column, *("" if x == NOTHING else x for x in bounds))
                writer.writerow(map(_in_csv, cells_of_line))
    return text.getvalue()


def of_scores(task: TaskResults) -> list[Table]:
    """Interquartile means, and where there are several seeds the means."""
    what = "Means over each agent's children" if task.tunes else "A network retrained from scratch on what was kept"
    what += ", under actions as the agent draws them"
    iqm = _by_arm(
        task,
        "Scores: interquartile means",
        f"{what}; interquartile mean over the seeds, 95 % bootstrap interval in brackets"
        + (" (with fewer than ten seeds it is too narrow)." if len(task.seeds) < 10 else "."),
        interquartile_mean,
    )
    if len(task.seeds) < 2:
        return [iqm]
    return [iqm, _by_arm(task, "Scores: means", f"{what}. {_MEANS}", mean_interval)]


def of_differences(task: TaskResults) -> list[Table]:
    """Every arm compared with the first, seed by seed; no table under two seeds or two arms."""
    others = [arm for arm in task.arms if arm != task.first]
    if len(task.seeds) < 2 or not others:
        return []
    rows = []
    for arm in others:
        pairs = (task.paired_scores(arm, task.first, *keys) for keys in _TEST.values())
        rows.append((arm, *(mean_interval(np.subtract(*pair)) if pair[0] else NOTHING for pair in pairs)))
    means = Table(
        f"Differences to {task.first}",
        f"The arm's score less that of {task.first} under the same seed, both under actions as drawn. {_MEANS}",
        ("arm", *_TEST),
        tuple(rows),
    )
    return [means, _improvement([task], others, task.first, f"Improvement on {task.first}: test macro F1")]


def over_tasks(results: Results) -> list[tuple[str, Table]]:
    """For each environment, the arms that all its tasks share, compared with the first of them."""
    made = []
    for name in dict.fromkeys(task.environment for task in results.tasks):
        tasks = [task for task in results.tasks if task.environment == name]
        shared = [arm for arm in tasks[0].arms if all(task.arms.get(arm) for task in tasks)]
        if len(tasks) < 2 or len(shared) < 2:
            continue
        title = f"Improvement on {shared[0]} over {len(tasks)} tasks: test macro F1"
        made.append((name, _improvement(tasks, shared[1:], shared[0], title)))
    return made


def of_kept(task: TaskResults) -> list[Table]:
    """Which images were kept, by kind (Table 5 of RLPS) and by class."""
    kinds = {f"keep probability: {kind}": ("keep_probability", kind) for kind in _names(task, "keep_probability")}
    kinds |= {f"share kept: {kind}": ("share_kept", kind) for kind in _names(task, "share_kept")}
    classes = {name: ("keep_ratio_by_class", name) for name in _names(task, "keep_ratio_by_class")}
    by_kind = (
        "Keep probability and keep ratio by kind of image",
        "Full and untouched images, half faces, none faces, flipped and doubted labels, copies: only the oracle reads "
        "the kind.",
    )
    by_class = ("Keep ratio by class", "By the labels as given: a selection that collapses onto some classes shows.")
    return [
        _by_arm(task, title, f"{note} {_MEANS}", mean_interval, columns)
        for (title, note), columns in ((by_kind, kinds), (by_class, classes))
        if columns
    ]


def of_rankings(task: TaskResults) -> list[Table]:
    """How well each arm's ranking of the images finds the noisy ones."""
    # A measure holds the agent's number and those of rankings that need no agent.
    measures = {_measure_in_words(key): key for key in _names(task) if "agent" in _names(task, key)}
    if not measures:
        return []
    note = (
        "How well low keep probabilities, or an agent's own scores, find the noisy images; an AUROC of .5 is chance. "
        "The last rows need no agent: the pixels' variance, and the entropy of the predictions of "
        f"{task.first}'s network. {_MEANS}"
    )
    columns = {name: (key, "agent") for name, key in measures.items()}
    table = _by_arm(task, "Finding the noise", note, mean_interval, columns)
    free = dict.fromkeys(name for key in measures.values() for name in _names(task, key) if name != "agent")
    rows = (
        (
            f"({name})",
            *(_cell(task, task.first, (measures[column], name), mean_interval) for column in table.columns[1:]),
        )
        for name in free
    )
    return [Table(table.title, table.note, table.columns, (*table.rows, *rows))]


def of_settings(task: TaskResults) -> list[Table]:
    """The settings of each arm."""
    settings = [record["settings"] for record in task]
    envs = [_dict(each, "env") for each in settings]
    same = {key: text for key, text in envs[0].items() if all(env.get(key) == text for env in envs)}
    budget = {key: number for key, number in settings[0].items() if key not in ("env", "agent", "agent_settings")}
    rows = []
    for arm, by_seed in task.arms.items():
        of_arm = [record["settings"] for record in by_seed.values()]
        agents = dict.fromkeys(str(each.get("agent", NOTHING)) for each in of_arm)
        own = [{key: text for key, text in _dict(each, "env").items() if key not in same} for each in of_arm]
        words = _settings_in_words([_dict(each, "agent_settings") for each in of_arm]), _settings_in_words(own)
        rows.append((arm, " / ".join(agents) or NOTHING, *words))
    note = f"{task.environment}. Every arm: {_settings_in_words([same])}; {_settings_in_words([budget])}."
    return [Table("Settings", note, ("arm", "agent", "its settings", "its environment"), tuple(rows))]


def of_cost(task: TaskResults) -> list[Table]:
    """What each arm cost."""
    steps = _names(task, "gradient_steps")
    rows = []
    for arm, by_seed in task.arms.items():
        cells: list[Cell] = [
            f"{len(by_seed)} of {len(task.planned[arm])}",
            _mean([value(r, "seconds") for r in by_seed.values()]),
        ]
        scores = [record["scores"] for record in by_seed.values()]
        cells += [_mean([value(each, "gradient_steps", part) for each in scores]) for part in steps]
        for counted in _COUNTED:
            cells.append(_mean([sum(_dict(each, counted).values()) if counted in each else None for each in scores]))
        rows.append((arm, *cells))
    columns = ("arm", "trials", "seconds", *(f"gradient steps: {part}" for part in steps), *_COUNTED.values())
    there = [place for place in range(len(columns)) if any(row[place] != NOTHING for row in rows)]
    note = (
        "A trial's mean. Gradient steps are those of networks, an agent's own included; environment steps those of "
        "every walk that the agent learnt from, frozen ones included, which train no network."
        if not task.tunes
        else "A trial's mean. Gradient steps are those of networks; chunks that a search branched off are included."
    )
    return [
        Table("Cost", note, tuple(columns[i] for i in there), tuple(tuple(row[i] for i in there) for row in rows)),
    ]


def _by_arm(
    task: TaskResults,
    title: str,
    note: str,
    statistic: Callable[[list[float]], Interval],
    columns: Mapping[str, tuple[str, ...]] | None = None,
) -> Table:
    """A row for each arm, a column for each score that any of them has."""
    scores: Mapping[str, tuple[str, ...]] = columns or (_TUNING if task.tunes else _SELECTION)
    there = {name: keys for name, keys in scores.items() if any(task.scores(arm, *keys) for arm in task.arms)}
    rows = ((arm, *(_cell(task, arm, keys, statistic) for keys in there.values())) for arm in task.arms)
    return Table(title, note, ("arm", *there), tuple(rows))


def _cell(
    task: TaskResults, arm: str, keys: tuple[str, ...], statistic: Callable[[list[float]], Interval]
) -> Interval | str:
    values = list(task.scores(arm, *keys).values())
    return statistic(values) if values else NOTHING


def _improvement(tasks: list[TaskResults], arms: list[str], baseline: str, title: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for arm in arms:
        pairs = [task.paired_scores(arm, baseline, "test", MAIN_SCORE) for task in tasks]
        if not all(ours for ours, _ in pairs):
            rows.append((arm, *[NOTHING] * 3))
            continue
        ours, theirs = zip(*pairs, strict=True)
        difference = (
            mean_difference(ours, theirs) if len(tasks) > 1 else interquartile_mean_difference(ours[0], theirs[0])
        )
        rows.append((arm, difference, probability_of_improvement(ours, theirs), sum(map(len, ours))))
    if len(tasks) > 1:
        difference_is = "The mean over the tasks of the mean difference under the same seed"
        resampled = "within each task"
    else:
        difference_is, resampled = "The difference of the interquartile means", "jointly for both arms"
    note = (
        f"{difference_is}, with a 95 % bootstrap interval: seeds are resampled {resampled}. P(improvement) is the "
        f"probability that a run of the arm beats the run of {baseline} under the same seed, ties counting half, with "
        "Clopper and Pearson's exact 95 % interval. Actions are as the agents draw them."
    )
    return Table(title, note, ("arm", "difference", "P(improvement)", "pairs"), tuple(rows))


def _names(task: TaskResults, *keys: str) -> list[str]:
    """The names below a score that any record has, in their order."""
    found: dict[str, None] = {}
    for record in task:
        holder: Record = record["scores"]
        for key in keys:
            holder = _dict(holder, key)
        found |= dict.fromkeys(holder)
    return list(found)


def _dict(holder: dict[str, Any], key: str) -> dict[str, Any]:
    inner = holder.get(key)
    return inner if isinstance(inner, dict) else {}


def _measure_in_words(key: str) -> str:
    for start, name in {"auroc_": "AUROC", "average_precision_": "average precision", "f1_": "F1"}.items():
        if key.startswith(start):
            return f"{name}: {key.removeprefix(start).replace('_', ' ')}"
    return key.replace("_", " ")


def _mean(numbers: list[float | None]) -> float | str:
    there = [number for number in numbers if number is not None]
    return float(np.mean(there)) if there else NOTHING


def _settings_in_words(settings: list[dict[str, Any]]) -> str:
    """Keywords as Python writes them; where they differ from seed to seed, every value."""
    values: dict[str, dict[str, None]] = {}
    for each in settings:
        for key, text in each.items():
            values.setdefault(key, {})[in_words(text)] = None
    return ", ".join(f"{key}={' / '.join(texts)}" for key, texts in values.items()) or NOTHING


def _text(cell: Cell) -> str:
    if isinstance(cell, int | float):
        return f"{cell:,.0f}" if cell == int(cell) else f"{cell:,.1f}"
    return str(cell)
