"""What a benchmark is made of: arms, tasks and suites, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import gymnasium as gym


@dataclass(frozen=True)
class Arm:
    """An agent with its settings.

    Attributes:
        name: part of the records' names and the row of the table.
        agent: an entry point of the group `fer_gym.agents`, or "module:Name".
        settings: its keywords, besides `env` and `seed`.
        env: keywords of the environment that are the arm's own, such as what it regularises.
        keep_ratio_of: an arm that comes before this one; its keep ratio under the same seed becomes the setting
            `keep_ratio`.
    """

    name: str
    agent: str
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
        retrain_epochs: epochs of the network that is trained from scratch on the selection, for the test scores.
        removal: shares of the images; for each, a network is trained without those that the arm ranks lowest.
    """

    name: str
    arms: tuple[Arm, ...]
    env: Mapping[str, Any]
    episodes: int
    retrain_epochs: int
    removal: tuple[float, ...] = ()

    env_id: ClassVar[str] = "ImageSelect-v0"


@dataclass(frozen=True)
class RegTuneTask:
    """RegTune-v0, a learner's budget in it, and how many children score an agent.

    Attributes:
        name: part of the records' names.
        arms: the agents compared.
        env: the environment's keywords. `data_seed` is not among them: it is the trial's seed.
        episodes: what a learner may use, the children of a search included.
        children: the fresh ones that an agent regularises when it has learnt, for the test scores.
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

_EMBEDDED = "synthetic"


@dataclass(frozen=True)
class Suite:
    """Every task's arms under every seed. Seed k fixes split, noise, initial weights and batch order."""

    name: str
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]

    def without_files(self) -> tuple[Suite, list[str]]:
        """What of it needs no files, and the names of the other tasks; all of it if every task needs some."""
        embedded = tuple(task for task in self.tasks if not needs_files(task))
        if not embedded:
            return self, []
        left_out = [task.name for task in self.tasks if task not in embedded]
        return Suite(self.name, embedded, self.seeds), left_out


def make_env(task: Task, arm: Arm, seed: int, root: str | None) -> gym.Env[Any, Any]:
    """The environment of a trial.

    Args:
        task: where.
        arm: who; its keywords are added.
        seed: fixes the data.
        root: where the suite's data set is; a task that needs no files is not given it.
    """
    return gym.make(task.env_id, **{**task.env, **arm.env}, root=root if needs_files(task) else None, data_seed=seed)


def needs_files(task: Task) -> bool:
    """Whether the task's data set is in files, which a root names; else it comes with the package."""
    return bool(task.env.get("dataset", _EMBEDDED) != _EMBEDDED)
