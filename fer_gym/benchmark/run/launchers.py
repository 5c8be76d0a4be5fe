"""Where trials run: one after the other, side by side in processes, or as tasks of Ray."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import torch

from fer_gym.benchmark.run.trial import Records, completed, is_ready
from fer_gym.benchmark.spec.tasks import Trial
from fer_gym.cores import usable_cores
from fer_gym.episodes import in_words
from fer_gym.errors import UsageError

#: From a trial, its settings and `note`, which is called with each episode's row, to the trial's record.
RunTrial = Callable[..., dict[str, Any]]
Say = Callable[[str], None]
#: Calls a function somewhere else.
Submit = Callable[..., Future[Any]]


@dataclass(frozen=True)
class Failure:
    """Why a trial has no record.

    Attributes:
        reason: one line.
        traceback: of what was raised; None for what a user can put right, and where nothing was raised.
    """

    reason: str
    traceback: str | None = None


#: Trials, each with its record or its failure.
Outcomes = Iterator[tuple[Trial, dict[str, Any] | Failure]]
#: Runs trials. The caller adds each outcome to the records before it asks for the next: a trial that follows another is
#: ready when that has its record.
Launcher = Callable[[RunTrial, list[Trial], Records, Say], Outcomes]


def in_turn(run_trial: RunTrial, trials: list[Trial], done: Records, say: Say) -> Outcomes:
    """Run trials in this process, which says how every episode went."""
    for trial in trials:
        say(str(trial))
        if not is_ready(trial, done):
            yield trial, _left_over(trial)
            continue
        note = functools.partial(_note_row, say, str(trial))
        yield trial, _caught(run_trial, trial, completed(trial, done), note=note)


def side_by_side(run_trial: RunTrial, trials: list[Trial], done: Records, say: Say, workers: int) -> Outcomes:
    """Run trials in so many processes of their own, each of which gets its share of the cores."""
    threads = max(1, usable_cores() // workers)
    processes = [_Process(threads) for _ in range(min(workers, len(trials)))]
    try:
        places = [process.submit for process in processes]
        yield from _as_they_end(run_trial, places, start_order(trials), done, say, (BrokenProcessPool,))
    finally:
        for process in processes:
            process.stop()


def start_order(trials: list[Trial]) -> list[Trial]:
    """The order in which processes side by side start the trials.

    Under one seed nothing is compared before the end. So the first arms of the tasks, with which the others are
    compared, come last: most of them learn nothing and take the least time, so no long trial is left to one process.
    """
    if len({trial.seed for trial in trials}) > 1:
        return trials
    return sorted(trials, key=lambda trial: trial.arm.name == trial.task.arms[0].name)


class _Process:
    """A process that runs one trial after another, and is replaced when something has killed it.

    A pool of several processes would lose every trial with the one that was killed.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = self._started()

    def submit(self, *args: Any, **keywords: Any) -> Future[dict[str, Any]]:
        try:
            return self._pool.submit(*args, **keywords)
        except BrokenProcessPool:
            self._pool = self._started()
            return self._pool.submit(*args, **keywords)

    def stop(self) -> None:
        # Workers ignore Ctrl-C (`_begin_worker`), and what they are running is lost anyway.
        for process in list((self._pool._processes or {}).values()):
            process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, context, initializer=_begin_worker, initargs=(self._threads,))


def on_ray(run_trial: RunTrial, trials: list[Trial], done: Records, say: Say, gpus: float = 0.0) -> Outcomes:
    """Run trials as tasks of Ray: of the cluster that RAY_ADDRESS names, or of one on this machine.

    A trial whose process or node died runs again elsewhere, up to three times: trials are deterministic, so nothing is
    lost but time. Agents are saved where a trial runs, so a cluster's machines must share the folder.

    Args:
        run_trial: runs one.
        trials: to run.
        done: the records so far.
        say: is called with a line for each.
        gpus: what a trial asks for beside one core, such as 0.25.

    Raises:
        UsageError: if Ray is not installed, nothing answers at RAY_ADDRESS, or no node has so many GPUs.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError("launcher: 'ray' needs pip install 'fer-gym[ray]'") from error
    _refuse_silent_address(os.environ.get("RAY_ADDRESS", ""))
    try:
        ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="warning")
    except (ConnectionError, ValueError) as error:  # of an address that cannot be one
        raise UsageError(f"RAY_ADDRESS: {error}".partition("\n")[0]) from error
    try:
        most = max(node["Resources"].get("GPU", 0.0) for node in ray.nodes() if node["Alive"])
        if gpus > most:  # Ray would wait for a node that has them
            raise UsageError(f"gpus: {gpus:g} are more than the {most:g} of any node")
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=3)(_in_one_thread)

        def submit(*args: Any, **keywords: Any) -> Future[dict[str, Any]]:
            future: Future[dict[str, Any]] = task.remote(*args, **keywords).future()
            return future

        died = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)
        places = [submit] * len(trials)  # Ray knows how many at once
        yield from _as_they_end(run_trial, places, trials, done, say, died)
    finally:
        ray.shutdown()


def _refuse_silent_address(address: str) -> None:
    """Raise a UsageError if nothing listens at an address HOST:PORT: Ray would wait for minutes, and then abort."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):  # auto, local, or none
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"RAY_ADDRESS: nothing answers at {address}: {error}") from error


def _as_they_end(
    run_trial: RunTrial,
    places: list[Submit],
    trials: list[Trial],
    done: Records,
    say: Say,
    killed: tuple[type[Exception], ...],
) -> Outcomes:
    """Run one trial at a time in each place: always the first that is ready, so that tasks end in their order.

    Args:
        run_trial: as the launchers.
        places: each runs a trial somewhere.
        trials: as the launchers.
        done: as the launchers.
        say: as the launchers.
        killed: what a future raises whose process is no more.
    """
    waiting, free, running = list(trials), list(places), dict[Future[dict[str, Any]], tuple[Trial, Submit]]()
    while waiting or running:
        for trial in [trial for trial in waiting if is_ready(trial, done)][: len(free)]:
            waiting.remove(trial)
            submit = free.pop()
            caught = functools.partial(_caught, run_trial)
            running[submit(caught, trial, completed(trial, done), note=_silent)] = trial, submit
        if not running:
            yield from ((trial, _left_over(trial)) for trial in waiting)
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            trial, submit = running.pop(future)
            free.append(submit)
            error = future.exception()
            if isinstance(error, killed):
                yield trial, Failure("its process was killed, as the system does when memory runs out")
                continue
            outcome = _failure(error) if error is not None else future.result()
            if not isinstance(outcome, Failure):
                say(f"{trial}: done")
            yield trial, outcome


def _caught(run_trial: RunTrial, *args: Any, **keywords: Any) -> dict[str, Any] | Failure:
    """Run a trial. What it raises is its own failure, and of a class that perhaps only the worker has imported."""
    try:
        return run_trial(*args, **keywords)
    except (Exception, SystemExit) as error:
        return _failure(error)


def _begin_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """End this process when its parent has ended, whatever ended it: nobody would fetch its trial."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_one_thread(run_trial: RunTrial, *args: Any, **keywords: Any) -> dict[str, Any]:
    torch.set_num_threads(1)
    return run_trial(*args, **keywords)


def _silent(row: dict[str, Any]) -> None:
    """The parent says when a trial is done."""


def _left_over(trial: Trial) -> Failure:
    return Failure(f"it needs the keep ratio of {trial.arm.keep_ratio_of}, which failed")


def _failure(error: BaseException) -> Failure:
    cause = getattr(error, "cause", None) or error  # Ray's error holds the task's
    try:
        message = str(cause)
    except Exception:  # an agent's exception may fail at that too
        message = "it has no message"
    if isinstance(cause, UsageError):
        return Failure(message)
    # That of a worker is among the causes.
    return Failure(f"{type(cause).__name__}: {message}".partition("\n")[0], "".join(traceback.format_exception(error)))


def _note_row(note: Callable[[str], None], name: str, row: dict[str, Any]) -> None:
    note(f"{name}: {in_words(row)}")
