"""Run a suite: every trial that has no record yet."""

from __future__ import annotations

import dataclasses
import functools
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fer_gym.benchmark import records, regularization, selection
from fer_gym.benchmark.episodes import in_words
from fer_gym.benchmark.progress import progress
from fer_gym.benchmark.suites import Arm, SelectionTask, Suite, Task

_VERSIONS = ("fer-gym", "torch", "gymnasium", "numpy")


def run(suite: Suite, folder: Path, root: str | None, *, resume: bool) -> list[dict[str, Any]]:
    """Run the trials of a suite and return their records, in the order of tasks, seeds and arms.

    Args:
        suite: what to run.
        folder: where `records/` goes.
        root: where the suite's data set is, if it needs one.
        resume: go on with a folder that has records; only missing trials run.

    Raises:
        ValueError: if the folder has records and `resume` is False, or they are another suite's.
    """
    trials = [(task, arm, seed) for task in suite.tasks for seed in suite.seeds for arm in task.arms]
    done: list[dict[str, Any]] = []
    if not resume and any((folder / "records").glob("*.json")):
        raise ValueError(f"{folder}: it holds records already; add --resume to go on, or choose another --out")
    with progress(suite.name, len(trials)) as (note, advance):
        for task, arm, seed in trials:
            path = records.path_of(folder, task.name, arm.name, seed)
            settings = _completed(task, arm, seed, done)
            if not path.exists():
                name = f"{task.name}, {arm.name}, seed {seed}"
                note(name)
                say = functools.partial(_note_row, note, name)
                records.write(path, _trial(suite, task, arm, seed, settings, root, say))
            record = records.read(path)
            wanted = {"suite": suite.name, "settings": _in_words(task, arm, settings)}
            for key, value in wanted.items():
                if record[key] != value:
                    raise ValueError(f"{path}: a record of {key} {record[key]!r}, not {value!r}; use another --out")
            done.append(record)
            advance()
    return done


def _completed(task: Task, arm: Arm, seed: int, done: list[dict[str, Any]]) -> dict[str, Any]:
    """The arm's settings, with the keep ratio of the arm that it follows."""
    if arm.keep_ratio_of is None:
        return dict(arm.settings)
    wanted = (task.name, arm.keep_ratio_of, seed)
    model = next(r for r in done if (r["task"], r["arm"], r["seed"]) == wanted)
    return {**arm.settings, "keep_ratio": model["scores"]["keep_ratio"]}


def _in_words(task: Task, arm: Arm, settings: dict[str, Any]) -> dict[str, Any]:
    """All that decides a trial's outcome besides its seed, as JSON knows it."""
    budget = {f.name: getattr(task, f.name) for f in dataclasses.fields(task) if f.name not in ("name", "arms", "env")}
    return {
        "env": {key: repr(value) for key, value in {**task.env, **arm.env}.items()},
        "agent": arm.agent,
        "agent_settings": {key: repr(value) for key, value in settings.items()},
        **budget,
    }


def _trial(
    suite: Suite,
    task: Task,
    arm: Arm,
    seed: int,
    settings: dict[str, Any],
    root: str | None,
    note: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    start = time.monotonic()
    if isinstance(task, SelectionTask):
        result = selection.run(task, arm, seed, settings, root, note)
    else:
        result = regularization.run(task, arm, seed, settings, root, note)
    return {
        "suite": suite.name,
        "task": task.name,
        "arm": arm.name,
        "seed": seed,
        "settings": _in_words(task, arm, settings),
        "versions": {name: version(name) for name in _VERSIONS},
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
        "seconds": round(time.monotonic() - start, 1),
        **result,
    }


def _note_row(note: Callable[[str], None], name: str, row: dict[str, Any]) -> None:
    note(f"{name}: {in_words(row)}")
