"""Run a suite: every trial that has no record yet."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fer_gym.benchmark import records, regularization, results, selection
from fer_gym.benchmark.episodes import in_words
from fer_gym.benchmark.progress import progress
from fer_gym.benchmark.tasks import Arm, SelectionTask, Suite, Task

_VERSIONS = ("fer-gym", "torch", "gymnasium", "numpy")


@dataclass(frozen=True)
class Trial:
    """One task, arm and seed."""

    task: Task
    arm: Arm
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What a record calls it."""
        return self.task.name, self.arm.name, self.seed

    def __str__(self) -> str:
        return f"{self.task.name}, {self.arm.name}, seed {self.seed}"


Records = dict[tuple[str, str, int], dict[str, Any]]


def run(
    suite: Suite, folder: Path, root: str | None, *, resume: bool, workers: int = 1
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run the trials of a suite.

    A trial that fails costs itself and those that follow its keep ratio; the others go on. It leaves no record, so
    `resume` tries it again.

    Args:
        suite: what to run.
        folder: where `records/` goes.
        root: where the suite's data set is, if it needs one.
        resume: go on with a folder that has records; only missing trials run.
        workers: processes that run trials side by side, each with its share of the cores.

    Returns:
        The records, in the order of tasks, seeds and arms, and what was wrong with each trial that has none.

    Raises:
        ValueError: if the folder has records and `resume` is False, or they are another suite's or of other settings.
    """
    if not resume and any((folder / "records").glob("*.json")):
        raise ValueError(f"{folder}: it holds records already; add --resume to go on, or choose another --out")
    results.refuse_others(folder, suite.name)
    trials = [Trial(task, arm, seed) for task in suite.tasks for seed in suite.seeds for arm in task.arms]
    done: Records = {}
    failed: dict[str, str] = {}
    for trial in trials:
        if _path(folder, trial).exists():
            done[trial.key] = _read(folder, suite, trial, done)
    missing = [trial for trial in trials if trial.key not in done]
    # A report tells from it which trials are missing, and in which order the suite has them.
    plan = {"arms": {task.name: [arm.name for arm in task.arms] for task in suite.tasks}, "seeds": list(suite.seeds)}
    with progress(suite.name, len(trials), len(done)) as (say, advance):
        every = _in_turn if workers == 1 else functools.partial(_side_by_side, workers=workers)
        for trial, outcome in every(suite, missing, root, done, say):
            advance()
            if isinstance(outcome, str):
                failed[str(trial)] = outcome
                say(f"{trial}: failed: {outcome}")
                continue
            records.write(_path(folder, trial), {**outcome, "plan": plan})
            done[trial.key] = _read(folder, suite, trial, done)
    return [done[trial.key] for trial in trials if trial.key in done], failed


def _path(folder: Path, trial: Trial) -> Path:
    return records.path_of(folder, *trial.key)


def _read(folder: Path, suite: Suite, trial: Trial, done: Records) -> dict[str, Any]:
    path = _path(folder, trial)
    record = records.read(path)
    wanted: dict[str, Any] = {"suite": suite.name}
    if _is_ready(trial, done):
        wanted["settings"] = _settings_in_words(trial, _completed(trial, done))
    for key, value in wanted.items():
        if record[key] != value:
            raise ValueError(f"{path}: a record of {key} {record[key]!r}, not {value!r}; use another --out")
    return record


def _in_turn(
    suite: Suite, trials: list[Trial], root: str | None, done: Records, say: Callable[[str], None]
) -> Iterator[tuple[Trial, dict[str, Any] | str]]:
    """Run trials in this process, which says how every episode went."""
    for trial in trials:
        say(str(trial))
        if not _is_ready(trial, done):
            yield trial, f"it needs the keep ratio of {trial.arm.keep_ratio_of}, which failed"
            continue
        note = functools.partial(_note_row, say, str(trial))
        try:
            yield trial, _run_trial(suite.name, trial, _completed(trial, done), root, note)
        except Exception as error:  # an agent's bug is its own
            yield trial, _as_line(error)


def _side_by_side(
    suite: Suite, trials: list[Trial], root: str | None, done: Records, say: Callable[[str], None], workers: int
) -> Iterator[tuple[Trial, dict[str, Any] | str]]:
    """Run trials in processes of their own, each as soon as what it follows is done."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=(threads,))
    waiting, running = list(trials), dict[Future[dict[str, Any]], Trial]()
    try:
        while waiting or running:
            for trial in [trial for trial in waiting if _is_ready(trial, done)]:
                waiting.remove(trial)
                running[pool.submit(_run_trial, suite.name, trial, _completed(trial, done), root, _silent)] = trial
            if not running:
                for trial in waiting:
                    yield trial, f"it needs the keep ratio of {trial.arm.keep_ratio_of}, which failed"
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                trial = running.pop(future)
                error = future.exception()
                say(f"{trial}: done")
                yield trial, future.result() if error is None else _as_line(error)
    finally:
        # Ctrl-C reaches this process alone, and what the others do is lost anyway.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _begin_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _silent(row: dict[str, Any]) -> None:
    """The parent says when a trial is done."""


def _as_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _is_ready(trial: Trial, done: Records) -> bool:
    """Whether the arm whose keep ratio it takes has a record."""
    return trial.arm.keep_ratio_of is None or _followed(trial) in done


def _followed(trial: Trial) -> tuple[str, str, int]:
    assert trial.arm.keep_ratio_of is not None
    return trial.task.name, trial.arm.keep_ratio_of, trial.seed


def _completed(trial: Trial, done: Records) -> dict[str, Any]:
    """The arm's settings, with the keep ratio of the arm that it follows."""
    if trial.arm.keep_ratio_of is None:
        return dict(trial.arm.settings)
    return {**trial.arm.settings, "keep_ratio": done[_followed(trial)]["scores"]["keep_ratio"]}


def _settings_in_words(trial: Trial, settings: dict[str, Any]) -> dict[str, Any]:
    """All that decides a trial's outcome besides its seed, as JSON knows it."""
    task, arm = trial.task, trial.arm
    budget = {f.name: getattr(task, f.name) for f in dataclasses.fields(task) if f.name not in ("name", "arms", "env")}
    return {
        "env": {key: repr(value) for key, value in {**task.env, **arm.env}.items()},
        "agent": arm.agent,
        "agent_settings": {key: repr(value) for key, value in settings.items()},
        **budget,
    }


def _run_trial(
    suite: str, trial: Trial, settings: dict[str, Any], root: str | None, note: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    start = time.monotonic()
    task, arm, seed = trial.task, trial.arm, trial.seed
    if isinstance(task, SelectionTask):
        result = selection.run(task, arm, seed, settings, root, note)
    else:
        result = regularization.run(task, arm, seed, settings, root, note)
    return {
        "suite": suite,
        "task": task.name,
        "arm": arm.name,
        "seed": seed,
        "settings": _settings_in_words(trial, settings),
        "versions": {name: version(name) for name in _VERSIONS},
        "machine": {"processor": _processor(), "threads": torch.get_num_threads()},
        "seconds": round(time.monotonic() - start, 1),
        **result,
    }


def _processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _note_row(note: Callable[[str], None], name: str, row: dict[str, Any]) -> None:
    note(f"{name}: {in_words(row)}")
