"""Calibrated tasks as tasks of a suite."""

from __future__ import annotations

from collections.abc import Mapping

from fer_gym.benchmark.spec.tasks import Arm, RegTuneTask, SelectionTask, Suite, Task
from fer_gym.checks import check_choice
from fer_gym.tasks import CALIBRATION_SEEDS, TASKS, CalibratedTask, Reference


def task_of(task: CalibratedTask, arms: tuple[Arm, ...]) -> Task:
    """A calibrated task with the arms that are compared in it.

    Args:
        task: whose environment, budget and scoring it has.
        arms: the agents; each has the settings that the task forces on it, such as a keep ratio.
    """
    kind = SelectionTask if task.env_id == SelectionTask.env_id else RegTuneTask
    return kind(task.id, arms, task.env, task.episodes, **task.scoring)


def calibration(task: CalibratedTask) -> Suite:
    """The suite whose records are the task's references."""
    arms = tuple(map(_arm, (task.trivial, *task.others, task.reference)))
    return Suite("calibration", (task_of(task, arms),), CALIBRATION_SEEDS)


def _arm(reference: Reference) -> Arm:
    return Arm(reference.name, reference.agent, reference.settings)


def named(task: str, among: Mapping[str, CalibratedTask] = TASKS) -> CalibratedTask:
    """A calibrated task by its id.

    Raises:
        UsageError: if there is none.
    """
    check_choice("task", task, among)
    return among[task]
