"""Run a suite: every trial that has no record yet."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fer_gym.benchmark.records import results
from fer_gym.benchmark.records import store as records
from fer_gym.benchmark.run import launchers
from fer_gym.benchmark.run import trial as trials
from fer_gym.benchmark.run.launchers import Launcher
from fer_gym.benchmark.run.trial import Records, Trial
from fer_gym.benchmark.spec.tasks import Suite
from fer_gym.errors import UsageError
from fer_gym.progress import progress


def run(
    suite: Suite,
    folder: Path,
    root: str | None,
    *,
    resume: bool,
    launch: Launcher = launchers.in_turn,
    minutes: float | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run the trials of a suite.

    A trial that fails costs itself and those that follow its keep ratio; the others go on. It leaves no record, so
    `resume` tries it again. A file in a record's place that is none is a failure of its trial, and is left alone.

    Args:
        suite: what to run.
        folder: where `records/` goes.
        root: where the suite's data set is, if it needs one.
        resume: go on with a folder that has records; only missing trials run.
        launch: what runs the trials.
        minutes: what a trial may take; one that takes longer has failed.

    Returns:
        The records, in the order of tasks, seeds and arms, and what was wrong with each trial that has none.

    Raises:
        ValueError: if the folder has records and `resume` is False, or they are another suite's, of other settings, of
            other data or of another version of the package.
    """
    if not resume and any((folder / "records").glob("*.json")):
        raise UsageError(f"{folder}: it holds records already; add --resume to go on, or choose another --out")
    results.refuse_others(folder, suite.name)
    every = [Trial(task, arm, seed) for task in suite.tasks for seed in suite.seeds for arm in task.arms]
    done: Records = {}
    failed: dict[str, str] = {}
    for trial in every:
        if records.path_of(folder, *trial.key).exists():
            try:
                done[trial.key] = _read(folder, suite, trial, done)
            except records.NotARecordError as error:  # running its trial would overwrite it
                failed[str(trial)] = str(error)
    missing = [trial for trial in every if trial.key not in done and str(trial) not in failed]
    if missing:
        one_of_each = {trial.task.name: trial for trial in every if trial.key in done}
        for trial in one_of_each.values():
            trials.refuse_other_data(trial, done[trial.key], root)
    # A report tells from it which trials are missing, and in which order the suite has them.
    plan = {"arms": {task.name: [arm.name for arm in task.arms] for task in suite.tasks}, "seeds": list(suite.seeds)}
    with progress(suite.name, len(every), len(done)) as bar:
        run_trial = functools.partial(trials.run_trial, suite.name, folder=folder, root=root, minutes=minutes)
        for trial, outcome in launch(run_trial, missing, done, bar.say):
            bar.advance()
            if isinstance(outcome, str):
                failed[str(trial)] = outcome
                bar.say(f"{trial}: failed: {outcome}")
                continue
            records.write(records.path_of(folder, *trial.key), {**outcome, "plan": plan})
            done[trial.key] = _read(folder, suite, trial, done)
    return [done[trial.key] for trial in every if trial.key in done], failed


def _read(folder: Path, suite: Suite, trial: Trial, done: Records) -> dict[str, Any]:
    path = records.path_of(folder, *trial.key)
    record = records.read(path)
    wanted: dict[str, Any] = {"suite": suite.name}
    if trials.is_ready(trial, done):
        wanted["settings"] = trials.settings_in_words(trial, trials.completed(trial, done))
    for key, value in wanted.items():
        if record[key] != value:
            raise UsageError(f"{path}: a record of {key} {record[key]!r}, not {value!r}; use another --out")
    wrote, ours = record["versions"].get("fer-gym"), trials.versions()["fer-gym"]
    if wrote != ours:
        raise UsageError(f"{path}: a record of fer-gym {wrote}, not {ours}; use that version, or another --out")
    return record
