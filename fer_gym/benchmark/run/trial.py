"""A trial: one task, arm and seed, and how it is run."""

from __future__ import annotations

import dataclasses
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fer_gym import agents
from fer_gym.benchmark.records import store as records
from fer_gym.benchmark.run import image_select as selection
from fer_gym.benchmark.run import reg_tune as regularization
from fer_gym.benchmark.spec.tasks import Arm, SelectionTask, Task, make_env
from fer_gym.data import Splits
from fer_gym.errors import UsageError

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


def is_ready(trial: Trial, done: Records) -> bool:
    """Whether the arm whose keep ratio it takes has a record."""
    return trial.arm.keep_ratio_of is None or _followed(trial) in done


def _followed(trial: Trial) -> tuple[str, str, int]:
    assert trial.arm.keep_ratio_of is not None
    return trial.task.name, trial.arm.keep_ratio_of, trial.seed


def completed(trial: Trial, done: Records) -> dict[str, Any]:
    """The arm's settings, with the keep ratio of the arm that it follows."""
    if trial.arm.keep_ratio_of is None:
        return dict(trial.arm.settings)
    return {**trial.arm.settings, "keep_ratio": done[_followed(trial)]["scores"]["keep_ratio"]}


def settings_in_words(trial: Trial, settings: dict[str, Any]) -> dict[str, Any]:
    """All that decides a trial's outcome besides its seed, as JSON knows it."""
    task, arm = trial.task, trial.arm
    budget = {f.name: getattr(task, f.name) for f in dataclasses.fields(task) if f.name not in ("name", "arms", "env")}
    removal = budget.pop("removal", ())
    if removal:  # the first records do not have it
        budget["removal"] = list(removal)
    return {
        "env": {key: repr(value) for key, value in {**task.env, **arm.env}.items()},
        "agent": arm.agent,
        "agent_settings": {key: repr(value) for key, value in settings.items()},
        **budget,
    }


def versions() -> dict[str, str]:
    """What a record tells of the software: the package's own version first."""
    return {name: version(name) for name in _VERSIONS}


def refuse_other_data(trial: Trial, record: dict[str, Any], root: str | None) -> None:
    """See that a trial would have the data that it had when its record was written.

    Raises:
        ValueError: if it would not.
    """
    if "data" not in record:  # the first records do not tell
        return
    env = make_env(trial.task, trial.arm, trial.seed, root)
    splits: Splits = env.unwrapped.splits  # type: ignore[attr-defined]
    found = splits.fingerprint()
    env.close()
    if found != record["data"]:
        raise UsageError(
            f"{trial}: its record is of data {record['data']}, which is not what --root has now, {found}; give the "
            "same --root, or another --out"
        )


def run_trial(
    suite: str,
    trial: Trial,
    settings: dict[str, Any],
    *,
    folder: Path,
    root: str | None,
    minutes: float | None,
    note: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Run a trial; what its record holds.

    Args:
        suite: its suite's name.
        trial: what to run.
        settings: the arm's, completed.
        folder: the benchmark's, where the agent is saved.
        root: where the suite's data set is.
        minutes: what it may take.
        note: is called with a row for each episode.

    Raises:
        TimeoutError: if it takes longer.
        Exception: whatever the agent raises.
    """
    start = time.monotonic()
    task, arm, seed = trial.task, trial.arm, trial.seed
    keep = folder / agents.FOLDER / records.path_of(folder, *trial.key).with_suffix(".agent").name
    with _stopped_after(minutes):
        if isinstance(task, SelectionTask):
            result = selection.run(task, arm, seed, settings, root, note, keep)
        else:
            result = regularization.run(task, arm, seed, settings, root, note, keep)
    return {
        "suite": suite,
        "task": task.name,
        "arm": arm.name,
        "seed": seed,
        "settings": settings_in_words(trial, settings),
        "versions": versions(),
        "machine": {"processor": _processor(), "threads": torch.get_num_threads()},
        "seconds": round(time.monotonic() - start, 1),
        **result,
    }


@contextmanager
def _stopped_after(minutes: float | None) -> Iterator[None]:
    """Raise TimeoutError in what takes longer, even in a loop without end or a sleep.

    A worker runs its trials in its main thread, which is where the alarm goes off. Windows has no such alarm.
    """
    if minutes is None:
        yield
        return

    def expire(*_: object) -> None:
        raise TimeoutError(f"it took longer than {minutes:g} minutes")

    before = signal.signal(signal.SIGALRM, expire)
    # Again and again: where it goes off in a destructor or a callback, Python swallows what it raises.
    signal.setitimer(signal.ITIMER_REAL, 60.0 * minutes, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
