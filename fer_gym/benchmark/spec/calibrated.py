"""Calibrated tasks as tasks of a suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite, Task
from fer_gym.checks import check_choice
from fer_gym.tasks import CALIBRATION_SEEDS, CURRENT, TASKS, CalibratedTask, Reference

# Rankings that train networks of their own, and for how many epochs: docs/search_rankings.py compares others.
_WITH_NETWORKS = ("self_confidence", "entropy", "cleanlab", "aum", "knn_shapley")
_EPOCHS = 24


def task_of(task: CalibratedTask, arms: tuple[Arm, ...], episodes: int | None = None) -> Task:
    """A calibrated task with the arms that are compared in it.

    Args:
        task: whose environment, budget and scoring it has.
        arms: the agents.
        episodes: fewer than the budget.
    """
    kind = SelectionTask if task.env_id == SelectionTask.env_id else RegTuneTask
    return kind(task.id, arms, task.env, episodes or task.episodes, **task.scoring)


def suite(name: str, selectors: tuple[Arm, ...], tuners: tuple[Arm, ...]) -> Suite:
    """Every calibrated task in its last version, under ten seeds that chose nothing.

    Args:
        name: the suite's.
        selectors: the arms of ImageSelect-v0. Those with `keep_ratio_of` get the oracle's keep ratio instead, which is
            to their advantage: the learners are not told how many labels are right.
        tuners: those of RegTune-v0.
    """
    return Suite(name, tuple(_with(task, selectors, tuners) for task in CURRENT.values()), tuple(range(10)))


def _with(task: CalibratedTask, selectors: tuple[Arm, ...], tuners: tuple[Arm, ...]) -> Task:
    if task.env_id != SelectionTask.env_id:
        return task_of(task, tuners)
    return task_of(task, tuple(_told(arm, task) if arm.keep_ratio_of else arm for arm in selectors))


def _told(arm: Arm, task: CalibratedTask) -> Arm:
    """An arm that ranks the images, with what it may know of the task."""
    settings = {**arm.settings, "keep_ratio": task.reference.settings["keep_ratio"]}
    if arm.agent in _WITH_NETWORKS and settings.get("folds") != 0:
        settings["epochs"] = _EPOCHS
    return dataclasses.replace(arm, settings=settings, keep_ratio_of=None)


def calibration(task: CalibratedTask) -> Suite:
    """The suite whose records are the task's references."""
    arms = tuple(map(_arm, (task.trivial, *task.others, task.reference)))
    return Suite("calibration", (task_of(task, arms),), CALIBRATION_SEEDS)


def _arm(reference: Reference) -> Arm:
    return Arm(reference.name, reference.agent, reference.settings)


def named(task: str, among: Mapping[str, CalibratedTask] | None = None) -> CalibratedTask:
    """A task by its id.

    Args:
        task: the id.
        among: the tasks that are allowed, by default the admitted ones.

    Raises:
        UsageError: if there is none.
    """
    among = TASKS if among is None else among
    check_choice("task", task, among)
    return among[task]
