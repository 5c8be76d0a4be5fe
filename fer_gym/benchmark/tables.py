"""Records as tables."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fer_gym.benchmark.selection import KINDS
from fer_gym.benchmark.statistics import mean_interval

Record = dict[str, Any]
_TEST_SCORES = {
    "accuracy": "test accuracy",
    "average_accuracy": "average accuracy",
    "macro_f1": "macro F1",
    "macro_f1_of_means": "macro F1 (Eq. 7)",
}


@dataclass(frozen=True)
class Table:
    """A title, column names and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return f"**{self.title}**\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def tables(records: list[Record]) -> list[Table]:
    """For each task: its scores, their paired differences to the first arm, and for a selection who was kept."""
    made = []
    for task in dict.fromkeys(record["task"] for record in records):
        by_arm: dict[str, list[Record]] = {}
        for record in records:
            if record["task"] == task:
                by_arm.setdefault(record["arm"], []).append(record)
        first = next(iter(by_arm.values()))
        seeds = len(first)
        over = f"mean over {seeds} seeds ± half of its 95 % interval" if seeds > 1 else "one seed"
        if "children" in first[0]:
            made.append(_children(f"{task}: children regularised by each agent; {over}", by_arm))
        else:
            made.append(_scores(f"{task}: test scores of a network retrained from scratch; {over}", by_arm))
        if seeds > 1:
            made.append(_differences(task, by_arm))
        if all("keep_probability" in record["scores"] for record in records if record["task"] == task):
            made.append(_kept(f"{task}: keep probability by kind of image (share kept in brackets); {over}", by_arm))
    return made


def _values(records: Iterable[Record], *keys: str) -> list[float]:
    """One score, such as ("test", "macro_f1"), of each record."""
    return [functools.reduce(lambda scores, key: scores[key], keys, record["scores"]) for record in records]


def _over_seeds(records: Iterable[Record], *keys: str) -> str:
    return str(mean_interval(_values(records, *keys)))


def _scores(title: str, by_arm: dict[str, list[Record]]) -> Table:
    rows = []
    for arm, records in by_arm.items():
        scores = (_over_seeds(records, "test", key) for key in _TEST_SCORES)
        rows.append((arm, _over_seeds(records, "keep_ratio"), *scores))
    return Table(title, ("arm", "keep ratio", *_TEST_SCORES.values()), tuple(rows))


def _children(title: str, by_arm: dict[str, list[Record]]) -> Table:
    """The returns stand beside the test scores, which alone tell success: the gap can be raised without learning."""
    columns = {
        "test macro F1": ("test", "macro_f1"),
        "test accuracy": ("test", "accuracy"),
        "gap return": ("gap_return",),
        "change of validation F1": ("val_f1_change",),
        "training F1": ("train_f1",),
        "mean strength": ("mean_strength",),
    }
    rows = []
    for arm, records in by_arm.items():
        steps = records[0]["scores"]["gradient_steps"]
        budget = f"{steps['learning']:,} + {steps['each child']:,}"
        rows.append((arm, *(_over_seeds(records, *keys) for keys in columns.values()), budget))
    return Table(title, ("arm", *columns, "gradient steps (learning + child)"), tuple(rows))


def _differences(task: str, by_arm: dict[str, list[Record]]) -> Table:
    (first, reference), *others = by_arm.items()
    rows = []
    for arm, records in others:
        cells = []
        for key in _TEST_SCORES:
            ours, its = _values(records, "test", key), _values(reference, "test", key)
            cells.append(str(mean_interval([a - b for a, b in zip(ours, its, strict=True)])))
        rows.append((f"{arm} − {first}", *cells))
    return Table(f"{task}: paired differences", ("arms", *_TEST_SCORES.values()), tuple(rows))


def _kept(title: str, by_arm: dict[str, list[Record]]) -> Table:
    rows = []
    for arm, records in by_arm.items():
        cells = (
            f"{_over_seeds(records, 'keep_probability', kind)} ({_over_seeds(records, 'share_kept', kind)})"
            for kind in KINDS
        )
        rows.append((arm, *cells, _over_seeds(records, "auroc_none_face", "agent")))
    # What anybody has for nothing, so that one sees how hard the noise is. The entropy is that of the first arm's
    # network: the pretrained one, if that arm does not learn.
    first, records = next(iter(by_arm.items()))
    for name, label in (("image variance", "image variance"), ("entropy", f"entropy ({first})")):
        rows.append((label, *[""] * len(KINDS), _over_seeds(records, "auroc_none_face", name)))
    return Table(title, ("arm", *(f"{kind} face" for kind in KINDS), "AUROC of none face"), tuple(rows))
