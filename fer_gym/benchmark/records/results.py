"""The records of a folder, arranged by task, arm and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_gym.benchmark.records import store
from fer_gym.benchmark.records.schema import NotARecordError, Record
from fer_gym.errors import UsageError


def value(holder: Any, *keys: str) -> float | None:
    """A number of a record, such as `value(record, "scores", "test", "macro_f1")`; None if it has no finite one."""
    for key in keys:
        holder = holder.get(key) if isinstance(holder, dict) else None
    return holder if isinstance(holder, int | float) and math.isfinite(holder) else None


def learning_steps(scores: dict[str, Any]) -> float:
    """The gradient steps that an agent learnt from, of a record's scores: its episodes' and its own networks'."""
    parts = (value(scores, "gradient_steps", part) for part in ("learning", "episodes", "own networks"))
    return sum(part for part in parts if part is not None)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """Scores of two arms, by seed, under the seeds that both have."""
    seeds = [seed for seed in ours if seed in theirs]
    return [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]


@dataclass(frozen=True)
class TaskResults:
    """One task's records.

    Attributes:
        name: of the task.
        arms: by name, in the suite's order, those without a record included; then by seed.
        planned: each arm's seeds, in their order: those of the commands that ran it, and any that has a record.
    """

    name: str
    arms: dict[str, dict[int, Record]]
    planned: dict[str, tuple[int, ...]]

    def __iter__(self) -> Iterator[Record]:
        """Every record, arm by arm."""
        return (record for by_seed in self.arms.values() for record in by_seed.values())

    @property
    def environment(self) -> str:
        """Its environment's id; nothing if it has no record."""
        return next((record["environment"] for record in self), "")

    @property
    def tunes(self) -> bool:
        """Whether its agents regularise children in RegTune-v0; else they select images in ImageSelect-v0."""
        return self.environment == "RegTune-v0"

    @property
    def first(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.arms))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The planned seeds of all arms, in their order."""
        return tuple(sorted({seed for seeds in self.planned.values() for seed in seeds}))

    @property
    def missing(self) -> list[str]:
        """The trials without a record, in words."""
        return [
            f"{self.name}, {arm}, seed {seed}"
            for arm, by_seed in self.arms.items()
            for seed in self.planned[arm]
            if seed not in by_seed
        ]

    def scores(self, arm: str, *keys: str) -> dict[int, float]:
        """One score of an arm, such as ("test", "macro_f1"), by seed."""
        found = {seed: value(record, "scores", *keys) for seed, record in self.arms[arm].items()}
        return {seed: number for seed, number in found.items() if number is not None}

    def paired_scores(self, ours: str, theirs: str, *keys: str) -> tuple[list[float], list[float]]:
        """One score of two arms under the seeds that both have."""
        return paired(self.scores(ours, *keys), self.scores(theirs, *keys))


@dataclass(frozen=True)
class Results:
    """What a folder holds.

    Attributes:
        suite: the one suite that its records are of.
        tasks: in the suite's order.
        skipped: what is no record, in words that name the file.
    """

    suite: str
    tasks: tuple[TaskResults, ...]
    skipped: tuple[str, ...]

    def __iter__(self) -> Iterator[Record]:
        """Every record."""
        return (record for task in self.tasks for record in task)

    @property
    def missing(self) -> list[str]:
        """The trials without a record, in words."""
        return [trial for task in self.tasks for trial in task.missing]


def read_folder(folder: Path) -> Results:
    """Read the records that a benchmark left in a folder. Files that are none are skipped and named.

    Args:
        folder: what was the benchmark's `--out`.

    Raises:
        UsageError: if there is no record, or the records are of several suites or of another format.
    """
    found, skipped = _found(folder)
    if not found:
        reason = f"none of its {len(skipped)} files is one: {skipped[0]}" if skipped else "nothing is there"
        raise UsageError(f"{folder / 'records'}: no records ({reason}); fer-gym benchmark --out {folder} writes them")
    suites = list(dict.fromkeys(record["suite"] for record in found))
    if len(suites) > 1:
        names = ", ".join(map(repr, suites))
        raise UsageError(f"{folder / 'records'}: records of several suites ({names}); give each a folder of its own")
    return Results(suites[0], _by_task(found), tuple(skipped))


def refuse_other_suites(folder: Path, suite: str) -> None:
    """See that all records of a folder are of one suite and of this format.

    Raises:
        UsageError: if one is not; the message names it.
    """
    for record in _found(folder)[0]:
        if record["suite"] != suite:
            path = _own_path(folder, record)
            raise UsageError(f"{path}: a record of suite {record['suite']!r}, not {suite!r}; use another --out")


def _own_path(folder: Path, record: Record) -> Path:
    return store.path_of(folder, record["task"], record["arm"], record["seed"])


def _found(folder: Path) -> tuple[list[Record], list[str]]:
    """The records of a folder, and why its other files are none."""
    found, skipped = [], []
    for path in sorted((folder / "records").glob("*.json")):
        try:
            record = store.read(path)
        except NotARecordError as error:
            skipped.append(str(error))
            continue
        own = _own_path(folder, record)
        if path == own:
            found.append(record)
        else:
            skipped.append(f"{path}: a copy; the record of this trial is called {own.name}")
    return found, skipped


def _by_task(found: list[Record]) -> tuple[TaskResults, ...]:
    planned: dict[str, dict[str, set[int]]] = {}
    for record in found:
        for task, names in record["plan"]["arms"].items():
            for name in names:
                planned.setdefault(task, {}).setdefault(name, set()).update(record["plan"]["seeds"])
        planned.setdefault(record["task"], {}).setdefault(record["arm"], set()).add(record["seed"])
    arms: dict[str, dict[str, dict[int, Record]]] = {task: {arm: {} for arm in of} for task, of in planned.items()}
    for record in sorted(found, key=lambda record: record["seed"]):
        arms[record["task"]][record["arm"]][record["seed"]] = record
    return tuple(
        TaskResults(task, arms[task], {arm: tuple(sorted(seeds)) for arm, seeds in by_arm.items()})
        for task, by_arm in planned.items()
    )
