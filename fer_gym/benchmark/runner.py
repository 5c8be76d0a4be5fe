"""Run a suite: every trial that has no record yet."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fer_gym.benchmark import records, selection
from fer_gym.benchmark.progress import progress
from fer_gym.benchmark.suites import Arm, Suite, Task

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
    trials = [(task, arm, seed) for task in suite.tasks for seed in suite.seeds for arm in suite.arms]
    done: list[dict[str, Any]] = []
    if not resume and any((folder / "records").glob("*.json")):
        raise ValueError(f"{folder}: it holds records already; add --resume to go on, or choose another --out")
    with progress(suite.name, len(trials)) as (note, advance):
        for task, arm, seed in trials:
            path = records.path_of(folder, task.name, arm.name, seed)
            if not path.exists():
                name = f"{task.name}, {arm.name}, seed {seed}"
                note(name)
                record = _trial(suite, task, arm, seed, root, done, functools.partial(_note_row, note, name))
                records.write(path, record)
            record = records.read(path)
            if record["suite"] != suite.name:
                raise ValueError(f"{path}: a record of suite {record['suite']!r}; use another --out")
            done.append(record)
            advance()
    return done


def _trial(
    suite: Suite,
    task: Task,
    arm: Arm,
    seed: int,
    root: str | None,
    done: list[dict[str, Any]],
    note: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    settings = dict(arm.settings)
    if arm.keep_ratio_of is not None:
        wanted = (task.name, arm.keep_ratio_of, seed)
        model = next(r for r in done if (r["task"], r["arm"], r["seed"]) == wanted)
        settings["keep_ratio"] = model["scores"]["keep_ratio"]
    start = time.monotonic()
    result = selection.run(task, arm, seed, settings, root, note)
    return {
        "suite": suite.name,
        "task": task.name,
        "arm": arm.name,
        "seed": seed,
        "settings": {
            "env": {key: repr(value) for key, value in task.env.items()},
            "agent": arm.agent,
            "agent_settings": {key: repr(value) for key, value in settings.items()},
            "episodes": task.episodes,
            "retrain_epochs": task.retrain_epochs,
        },
        "versions": {name: version(name) for name in _VERSIONS},
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
        "seconds": round(time.monotonic() - start, 1),
        **result,
    }


def _note_row(note: Callable[[str], None], name: str, row: dict[str, Any]) -> None:
    note(
        f"{name}: reward {row['reward']:.1f}, keep ratio {row['keep_ratio']:.3f}, "
        f"validation accuracy {row['validation']['accuracy']:.3f}"
    )
