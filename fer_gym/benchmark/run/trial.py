"""One trial, from its environment to its record."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_gym.benchmark import records
from fer_gym.benchmark.records import Record
from fer_gym.benchmark.run import image_select, provenance, reg_tune
from fer_gym.benchmark.spec.tasks import SelectionTask, Suite, Trial
from fer_gym.data import Splits
from fer_gym.description import description
from fer_gym.errors import UsageError

#: Records by the keys of their trials.
Records = dict[tuple[str, str, int], Record]


def is_ready(trial: Trial, done: Records) -> bool:
    """Whether the trial whose keep ratio it takes has a record."""
    return trial.followed is None or trial.followed in done


def completed(trial: Trial, done: Records) -> dict[str, Any]:
    """The arm's settings, with the keep ratio of the trial that it follows."""
    if trial.followed is None:
        return dict(trial.arm.settings)
    return {**trial.arm.settings, "keep_ratio": done[trial.followed]["scores"]["keep_ratio"]}


def described(trial: Trial, settings: dict[str, Any]) -> dict[str, Any]:
    """All that decides a trial's outcome besides its seed, as JSON values.

    Args:
        trial: with the environment's keywords and the budget.
        settings: the arm's, completed.
    """
    task = trial.task
    # What changes nothing is left out, as in the records that are older than the field.
    implied = {"retrain_epochs": 0, "retrain_steps": 0, "test_labels": "labels", "keep_at_most": 1.0}
    budget = {
        f.name: value
        for f in dataclasses.fields(task)
        if f.name not in ("name", "arms", "env") and (value := getattr(task, f.name)) != implied.get(f.name)
    }
    described: dict[str, Any] = description(
        {"env": {**task.env, **trial.arm.env}, "agent": trial.arm.agent, "agent_settings": settings, **budget}
    )
    return described


def refuse_other_data(trial: Trial, record: Record, root: str | None) -> None:
    """See that a trial would have the data that it had when its record was written.

    Raises:
        UsageError: if it would not.
    """
    if record["data"] == provenance.UNKNOWN:
        return
    env = trial.make_env(root)
    splits: Splits = env.unwrapped.splits  # type: ignore[attr-defined]
    found = splits.fingerprint()
    env.close()
    if found != record["data"]:
        raise UsageError(
            f"{trial}: its record is of data {record['data']}, which is not what --root has now, {found}; give the "
            "same --root, or another --out"
        )


def run_trial(
    suite: Suite,
    trial: Trial,
    settings: dict[str, Any],
    *,
    folder: Path,
    root: str | None,
    minutes: float | None,
    note: Callable[[dict[str, Any]], None],
) -> Record:
    """Run a trial.

    Args:
        suite: that it is of.
        trial: what to run.
        settings: the arm's, completed.
        folder: the benchmark's, where the agent is saved.
        root: where the suite's data set is.
        minutes: what it may take.
        note: is called with a row for each episode.

    Returns:
        Its record.

    Raises:
        TimeoutError: if it takes longer.
        Exception: whatever the agent raises.
    """
    start = time.monotonic()
    save_to = records.path_of_agent(records.path_of(folder, *trial.key))
    run = image_select.run if isinstance(trial.task, SelectionTask) else reg_tune.run
    with _stopped_after(minutes):
        outcome = run(trial, settings, root, note, save_to)
    return {
        "suite": suite.name,
        "task": trial.task.name,
        "environment": trial.task.env_id,
        "arm": trial.arm.name,
        "seed": trial.seed,
        "settings": described(trial, settings),
        "plan": suite.plan,
        "versions": provenance.versions(),
        "seconds": round(time.monotonic() - start, 1),
        **outcome,
    }


@contextmanager
def _stopped_after(minutes: float | None) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer, even in an endless loop or a sleep.

    A worker runs its trials in its main thread, where the alarm goes off. Windows has no SIGALRM: give no `minutes`.
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
