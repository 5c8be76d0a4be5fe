"""The normalised score of an agent in a calibrated task: 0 is the trivial reference, 1 the best known one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fer_gym.benchmark.records import learning_steps, value
from fer_gym.benchmark.report.statistics import Interval, MeanInterval, mean_interval, normalised
from fer_gym.benchmark.run import image_select, reg_tune
from fer_gym.benchmark.spec import calibrated
from fer_gym.benchmark.spec.tasks import Arm, SelectionTask, Trial
from fer_gym.tasks import CalibratedTask


@dataclass(frozen=True)
class Score:
    """What an agent scored.

    Attributes:
        task: the id.
        agent: its name.
        seeds: that it was scored under.
        scores: test macro F1 by seed, under `predict(..., deterministic=True)`.
        drawn: the same under `deterministic=False`, as the agent learnt.
        raw: the mean of `scores`, with Student's 95 % interval.
        normalised: (mean - trivial) / (reference - trivial), with a bootstrap interval that resamples the references'
            seeds as well.
        normalised_drawn: the same of `drawn`.
        env_steps: that the agent learnt from, the mean over seeds; frozen walks included, branches of `Greedy` and
            `PopulationBasedTraining` not.
        gradient_steps: of the networks that it learnt from and of those of its own, likewise; without the pretraining.
    """

    task: str
    agent: str
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    drawn: tuple[float, ...]
    raw: MeanInterval
    normalised: Interval
    normalised_drawn: Interval
    env_steps: float
    gradient_steps: float

    def __str__(self) -> str:
        """One line."""
        seeds = f"{len(self.seeds)} {'seed' if len(self.seeds) == 1 else 'seeds'}"
        return (
            f"{self.task}, {self.agent}: normalised {self.normalised}, test macro F1 {self.raw}, {seeds}, "
            f"{self.env_steps:,.0f} environment and {self.gradient_steps:,.0f} gradient steps"
        )

    def as_json(self) -> dict[str, Any]:
        """The fields, as JSON values; a bound that one seed cannot give is null."""
        return {
            name: {key: None if np.isnan(each) else each for key, each in value.items()}
            if isinstance(value, dict)
            else value
            for name, value in asdict(self).items()
        }


def score(
    task: str,
    agent: str | Callable[..., Any],
    seeds: Sequence[int],
    *,
    root: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Score:
    """Let an agent learn in a calibrated task under each seed, and score what it learnt.

    Args:
        task: an id of `fer_gym.tasks.TASKS`.
        agent: an entry point of the group `fer_gym.agents`, "module:Name", or a callable that gets `env` and `seed`,
            learns within `env.budget` steps, and returns something with Stable-Baselines3's `predict`. Frozen walks of
            ImageSelect-v0 are not counted.
        seeds: each decides the data, its noise, initial weights and what the agent draws.
        root: where the task's data set is, if it is in files.
        settings: further keywords of the agent.

    Raises:
        ValueError: if there is no such task or agent, or a callable takes more steps than it may.
    """
    found = calibrated.named(task)
    arm = Arm(name_of(agent), agent, dict(settings or {}))
    of_suite = calibrated.task_of(found, (arm,))
    run = image_select.run if isinstance(of_suite, SelectionTask) else reg_tune.run
    outcomes = [run(Trial(of_suite, arm, seed), dict(arm.settings), root, lambda row: None) for seed in seeds]
    return of_outcomes(found, arm.name, seeds, outcomes)


def name_of(agent: str | Callable[..., Any]) -> str:
    """What an agent is called in tables."""
    return agent if isinstance(agent, str) else str(getattr(agent, "__name__", type(agent).__name__))


def of_outcomes(task: CalibratedTask, agent: str, seeds: Sequence[int], outcomes: Sequence[Mapping[str, Any]]) -> Score:
    """The score of trials that have run.

    Args:
        task: that they ran in.
        agent: the agent's name.
        seeds: of the trials.
        outcomes: their records, in the same order.
    """
    scores = [outcome["scores"] for outcome in outcomes]
    drawn = tuple(each["test"]["macro_f1"] for each in scores)
    by_mean = tuple(each["test_by_mean"]["macro_f1"] for each in scores)
    place = (task.trivial.scores, task.reference.scores)
    return Score(
        task.id,
        agent,
        tuple(seeds),
        by_mean,
        drawn,
        mean_interval(by_mean),
        normalised(by_mean, *place),
        normalised(drawn, *place),
        float(np.mean([_env_steps(each) for each in outcomes])),
        float(np.mean([learning_steps(each) for each in scores])),
    )


def _env_steps(outcome: Mapping[str, Any]) -> float:
    """The environment steps that an agent learnt from: those of frozen walks after its last episode as well."""
    steps = value(outcome["scores"], "env_steps", "learning")
    if steps is not None:
        return steps
    return float(outcome["episodes"][-1]["env_steps"]) if outcome["episodes"] else 0.0
