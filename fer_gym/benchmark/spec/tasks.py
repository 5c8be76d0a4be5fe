"""What a benchmark is made of: arms, tasks, trials and suites, as frozen data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import gymnasium as gym

from fer_gym.checks import check_choice, check_count, check_number
from fer_gym.data import DRAWN
from fer_gym.errors import UsageError


@dataclass(frozen=True)
class Arm:
    """An agent with its settings.

    Attributes:
        name: part of the records' names and the row of the table.
        agent: an entry point of the group `fer_gym.agents`, "module:Name", or a callable, see `fer_gym.agents.learned`.
        settings: its keywords, besides `env` and `seed`.
        env: keywords of the environment that are the arm's own, such as what it regularises.
        keep_ratio_of: an arm that comes before this one; its keep ratio under the same seed becomes the setting
            `keep_ratio`.
    """

    name: str
    agent: str | Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    keep_ratio_of: str | None = None


@dataclass(frozen=True)
class SelectionTask:
    """ImageSelect-v0, a learner's budget in it, and how a selection is scored.

    Attributes:
        name: part of the records' names.
        arms: the agents compared.
        env: the environment's keywords. `data_seed` is not among them: it is the trial's seed.
        episodes: what a learner may use.
        retrain_epochs: epochs of the network that is trained from scratch on the selection, for the test scores. A
            smaller selection is then trained less.
        removal: shares of the images; for each, a network is trained without those that the arm ranks lowest.
        retrain_steps: in place of `retrain_epochs`, gradient steps: as many for every selection.
        test_labels: what is scored, "labels" or, where the test images have them, "clean_labels".
        keep_at_most: the largest share of the images that is trained on; a larger selection is cut at random.

    Raises:
        ValueError: unless one of `retrain_epochs` and `retrain_steps` is given, or if `test_labels` or `keep_at_most`
            is not allowed.
    """

    name: str
    arms: tuple[Arm, ...]
    env: Mapping[str, Any]
    episodes: int
    retrain_epochs: int = 0
    removal: tuple[float, ...] = ()
    retrain_steps: int = 0
    test_labels: str = "labels"
    keep_at_most: float = 1.0

    def __post_init__(self) -> None:
        """Check how the final network is trained."""
        check_count("retrain_epochs", self.retrain_epochs, least=0)
        check_count("retrain_steps", self.retrain_steps, least=0)
        if bool(self.retrain_epochs) == bool(self.retrain_steps):
            raise UsageError(
                f"retrain_epochs: {self.retrain_epochs}, retrain_steps: {self.retrain_steps}; give one of the two"
            )
        check_choice("test_labels", self.test_labels, ("labels", "clean_labels"))
        check_number("keep_at_most", self.keep_at_most, "(0, 1]")

    env_id: ClassVar[str] = "ImageSelect-v0"


@dataclass(frozen=True)
class RegTuneTask:
    """RegTune-v0, a learner's budget in it, and how many children score an agent.

    Attributes:
        name: part of the records' names.
        arms: the agents compared.
        env: the environment's keywords. `data_seed` is not among them: it is the trial's seed.
        episodes: what a learner may use, the children of a search included.
        children: the fresh ones that an agent regularises when it has learnt, for the test scores. Where the
            environment has instances, they take turns.
    """

    name: str
    arms: tuple[Arm, ...]
    env: Mapping[str, Any]
    episodes: int
    children: int

    env_id: ClassVar[str] = "RegTune-v0"


Task = SelectionTask | RegTuneTask


#: Where settings are chosen. No suite reports on them.
TUNING_SEEDS = (100, 101, 102)


def needs_files(task: Task) -> bool:
    """Whether the task's data set is in files, which a root names; else it comes with the package."""
    return task.env.get("dataset", DRAWN[0]) not in DRAWN


@dataclass(frozen=True)
class Trial:
    """One task, arm and seed."""

    task: Task
    arm: Arm
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """The names of task and arm, and the seed."""
        return self.task.name, self.arm.name, self.seed

    @property
    def followed(self) -> tuple[str, str, int] | None:
        """The key of the trial whose keep ratio this one takes, if any."""
        name = self.arm.keep_ratio_of
        return None if name is None else (self.task.name, name, self.seed)

    def make_env(self, root: str | None) -> gym.Env[Any, Any]:
        """The environment; the seed fixes its data.

        Args:
            root: where the suite's data set is; a task that needs no files is not given it.
        """
        keywords = {**self.task.env, **self.arm.env, "root": root if needs_files(self.task) else None}
        return gym.make(self.task.env_id, **keywords, data_seed=self.seed)

    def __str__(self) -> str:
        return f"{self.task.name}, {self.arm.name}, seed {self.seed}"


@dataclass(frozen=True)
class Suite:
    """Every task's arms under every seed. Seed k fixes split, noise, initial weights and batch order."""

    name: str
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]

    @property
    def trials(self) -> list[Trial]:
        """Every trial, task by task, seed by seed."""
        return [Trial(task, arm, seed) for task in self.tasks for seed in self.seeds for arm in task.arms]

    @property
    def plan(self) -> dict[str, Any]:
        """`arms`, the names of each task's arms, and `seeds`: a report says by it which trials are missing."""
        return {"arms": {task.name: [arm.name for arm in task.arms] for task in self.tasks}, "seeds": list(self.seeds)}

    def restricted(self, tasks: Sequence[str] | None, arms: Sequence[str] | None) -> Suite:
        """The suite with some of its tasks, or of its tasks' arms, alone; an arm that one of them follows comes along.

        Args:
            tasks: their names; None or none takes all.
            arms: likewise. A task that has none of them is left out.

        Raises:
            UsageError: if a name is none of the suite's, or none of the arms is one of the tasks'.
        """
        every = {arm.name for task in self.tasks for arm in task.arms}
        for name in tasks or ():
            check_choice("task", name, [task.name for task in self.tasks])
        for name in arms or ():
            check_choice("arm", name, sorted(every))
        chosen = []
        for task in self.tasks:
            wanted = set(arms or every)
            for arm in reversed(task.arms):  # an arm follows one before it
                if arm.name in wanted and arm.keep_ratio_of is not None:
                    wanted.add(arm.keep_ratio_of)
            kept = tuple(arm for arm in task.arms if arm.name in wanted)
            if kept and task.name in (tasks or [task.name]):
                chosen.append(replace(task, arms=kept))
        if not chosen:
            raise UsageError(f"arm: {', '.join(arms or ())}: of none of these tasks: {', '.join(tasks or ())}")
        return Suite(self.name, tuple(chosen), self.seeds)

    def without_files(self) -> tuple[Suite, list[str]]:
        """The suite without the tasks that need files, and their names; the whole suite if every task needs some."""
        embedded = tuple(task for task in self.tasks if not needs_files(task))
        if not embedded:
            return self, []
        left_out = [task.name for task in self.tasks if task not in embedded]
        return Suite(self.name, embedded, self.seeds), left_out
