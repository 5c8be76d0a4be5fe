"""Run a suite: every trial that has no record yet."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from fer_gym import files
from fer_gym.benchmark import records
from fer_gym.benchmark.records import Record
from fer_gym.benchmark.run import launchers, provenance
from fer_gym.benchmark.run import trial as trials
from fer_gym.benchmark.run.launchers import Failure, Launcher
from fer_gym.benchmark.run.trial import Records
from fer_gym.benchmark.spec.tasks import Suite, Trial
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
) -> tuple[list[Record], dict[str, str]]:
    """Run the trials of a suite.

    A trial that fails costs itself and those that follow its keep ratio; the others go on. It leaves no record, so
    `resume` tries it again; its traceback is in a log beside the record's place. A file in a record's place that is no
    record is a failure of its trial, and is left alone.

    Args:
        suite: what to run.
        folder: where `records/` goes.
        root: where the suite's data set is, if it needs one.
        resume: go on with a folder that has records; only missing trials run.
        launch: what runs the trials.
        minutes: what a trial may take; one that takes longer has failed.

    Returns:
        The records, in the order of tasks, seeds and arms, and the reason of each trial that has none.

    Raises:
        UsageError: if the folder has records and `resume` is False, or they are another suite's, of other settings, of
            other data, of another version of fer-gym or of other training code; if it cannot be written to, or another
            run writes there.
    """
    if not resume and any((folder / "records").glob("*.json")):
        raise UsageError(f"{folder}: it holds records already; add --resume to go on, or choose another --out")
    records.refuse_other_suites(folder, suite.name)
    files.check_writable(folder / "records")
    with files.held(folder / ".running"):
        for place in (folder, folder / "records", folder / "agents"):
            files.remove_unfinished(place)
        return _run(suite, folder, root, launch, minutes)


def _run(
    suite: Suite, folder: Path, root: str | None, launch: Launcher, minutes: float | None
) -> tuple[list[Record], dict[str, str]]:
    """As `run`, in a folder that no other run writes to."""
    every = suite.trials
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
    with progress(suite.name, len(every), len(done)) as bar:
        # A process elsewhere may have another working directory.
        root = None if root is None else str(files.at(root).absolute())
        run_trial = functools.partial(trials.run_trial, suite, folder=folder.absolute(), root=root, minutes=minutes)
        for trial, outcome in launch(run_trial, missing, done, bar.say):
            bar.advance()
            path = records.path_of(folder, *trial.key)
            records.path_of_log(path).unlink(missing_ok=True)
            if isinstance(outcome, Failure):
                failed[str(trial)] = _logged(outcome, records.path_of_log(path))
                bar.say(f"{trial}: failed: {failed[str(trial)]}")
                continue
            _write(path, outcome)
            done[trial.key] = _read(folder, suite, trial, done)
    return [done[trial.key] for trial in every if trial.key in done], failed


def _write(path: Path, record: Record) -> None:
    """Write a record.

    Raises:
        UsageError: if the system refuses, as where there is no room; the record is then among the temporary files.
    """
    try:
        records.write(path, record)
    except OSError as error:
        elsewhere = Path(tempfile.mkdtemp(prefix="fer-gym-"))
        records.write(elsewhere / path.name, record)
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); the record is in {elsewhere}: when {path.parent} can be "
            "written to, move the record's files there, and go on with --resume"
        ) from error


def _logged(failure: Failure, log: Path) -> str:
    """The reason of a failure, and the file with its traceback if there is one."""
    if failure.traceback is None:
        return failure.reason
    try:
        with files.written_whole(log) as file:
            file.write(failure.traceback.encode(errors="backslashreplace"))
    except OSError as error:
        return f"{failure.reason} (its traceback cannot be written to {log}: {error.strerror})"
    return f"{failure.reason} (traceback: {log})"


def _read(folder: Path, suite: Suite, trial: Trial, done: Records) -> Record:
    path = records.path_of(folder, *trial.key)
    record = records.read(path)
    wanted: dict[str, Any] = {"suite": suite.name}
    if trials.is_ready(trial, done):
        wanted["settings"] = trials.described(trial, trials.completed(trial, done))
    for key, value in wanted.items():
        if record[key] != value:
            raise UsageError(f"{path}: a record of {key} {record[key]!r}, not {value!r}; use another --out")
    ours = provenance.versions()
    # Two commits of one version may train differently: the training code has a number of its own.
    for name, what in {"fer-gym": "fer-gym", "training": "training code"}.items():
        if record["versions"][name] != ours[name]:
            raise UsageError(
                f"{path}: a record of {what} {record['versions'][name]}, not {ours[name]}; use that version, or "
                "another --out"
            )
    return record
