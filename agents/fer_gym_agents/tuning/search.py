"""Searches for a fixed schedule: the best constant action, or the best of many schedules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_gym.errors import UsageError
from fer_gym_agents.base import bounded_box
from fer_gym_agents.tuning.schedules import Schedule, action_in, steps_of


class Search(Schedule, ABC):
    """Tries schedules on children and then repeats the one whose child scored best on the validation split.

    A subclass tries them in `_try_all`, notes each child with `_note`, and adds keywords of its own to `_keywords`.

    Args:
        env: RegTune-v0, or another environment with a bounded Box whose last info has `validation`.
        seed: of the children's seeds, and of what a subclass draws.
        score: the key of `validation` that decides.
        schedule: the answer, (T, h), where it is known (`load` gives it); None begins at the box's low end.

    Attributes:
        scores: of every child that was noted, in order.
        chunks_trained: chunks, warm-ups included, that the wrappers of `env` did not see.
        runs_ended: runs that ended, each scored on the whole validation split, that the wrappers did not see.

    Raises:
        ValueError: if the actions are no bounded Box; from `learn`, if the budget is less than one try.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        score: str = "macro_f1",
        schedule: ArrayLike | None = None,
    ) -> None:
        self._box = bounded_box(env, type(self).__name__)
        rows = self._box.low[None] if schedule is None else np.array(schedule, dtype=self._box.dtype)
        super().__init__(env, {"score": score}, rows)
        self.score = score
        self.scores: list[float] = []
        self.chunks_trained = 0
        self.runs_ended = 0
        self._chunks = steps_of(env, None)
        self._rng = np.random.default_rng(seed)

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Self:
        """Try as many schedules as `total_timesteps` steps of training allow, and take the best."""
        tries, cost = total_timesteps // self._cost, self._cost
        if not tries:
            raise UsageError(f"total_timesteps: {total_timesteps} is less than one try, {cost} steps; give more")
        self.scores = []
        self._try_all(tries)
        self._keywords["schedule"] = self.schedule.tolist()
        return self

    @property
    def _cost(self) -> int:
        """The steps of one try."""
        return self._chunks

    @abstractmethod
    def _try_all(self, tries: int) -> None:
        """Train so many tries' children, and note them."""

    def _note(self, schedule: NDArray[Any], score: float) -> None:
        """Note a schedule, (T, h), and the score of the child that was trained under it."""
        if score > max(self.scores, default=-np.inf):
            self.schedule = schedule.copy()
        self.scores.append(score)

    def _train(self, schedule: NDArray[Any], child: int) -> float:
        """Train a child under a schedule, (T, h), as the environment's wrappers see it; its score."""
        self.env.reset(seed=child)
        over, step = False, 0
        while not over:
            _, _, over, _, info = self.env.step(schedule[min(step, len(schedule) - 1)])
            step += 1
        return float(info["validation"][self.score])

    def _child(self) -> int:
        """The seed of a new child."""
        return int(self._rng.integers(2**31))


class BestStatic(Search):
    """The constant action whose children score best on the validation split, of a grid.

    Each try trains one child under every action of the grid, all from the same seed, so the actions are compared in
    pairs; the one with the best mean over the tries is taken.

    Args:
        env: as `Search`.
        seed: of the children.
        strengths: the grid: numbers, or actions (h,); None is six, evenly over the box, its low end left out.
        score: the key of `validation` that decides.
        schedule: the answer, where it is known.

    Attributes:
        candidates: the grid, each action as a schedule of one row, (1, h).

    Raises:
        ValueError: as `Search`, and if the grid is empty or leaves the box.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        strengths: Sequence[float] | Sequence[Sequence[float]] | None = None,
        score: str = "macro_f1",
        schedule: ArrayLike | None = None,
    ) -> None:
        super().__init__(env, seed, score, schedule)
        box = self._box
        if strengths is None:
            strengths = [(box.low + share * (box.high - box.low)).tolist() for share in np.linspace(0, 1, 7)[1:]]
        if not len(strengths):
            raise UsageError("strengths: the grid is empty; give at least one action")
        self.candidates = [action_in("strengths", strength, box)[None] for strength in strengths]

    @property
    def _cost(self) -> int:
        return self._chunks * len(self.candidates)

    def _try_all(self, tries: int) -> None:
        children = [self._child() for _ in range(tries)]
        scores = [[self._train(candidate, child) for candidate in self.candidates] for child in children]
        self.scores = [score for of_try in scores for score in of_try]
        self.schedule = self.candidates[int(np.mean(scores, axis=0).argmax())]


class BestRandomSchedule(Search):
    """The best of schedules drawn at random, a strength for each chunk: a search without observations.

    Each schedule trains another child, so the schedule of a lucky child may win; fresh children score it later. The
    keywords are those of `Search`.
    """

    def _try_all(self, tries: int) -> None:
        for _ in range(tries):
            shape = (self._chunks, *self._box.shape)
            schedule = self._rng.uniform(self._box.low, self._box.high, shape).astype(self._box.dtype)
            self._note(schedule, self._train(schedule, self._child()))


class BayesStatic(Search):
    """Bayesian optimisation of a constant action, which Hong's paper discusses and does not run: Optuna's TPE.

    Args:
        env: as `Search`.
        seed: of the sampler and of the children.
        score: the key of `validation` that is maximised.
        schedule: the answer, where it is known.

    Raises:
        ImportError: if Optuna is not installed.
        ValueError: as `Search`.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        score: str = "macro_f1",
        schedule: ArrayLike | None = None,
    ) -> None:
        super().__init__(env, seed, score, schedule)
        try:
            import optuna
        except ImportError as error:
            raise ImportError("bayes_static needs Optuna: pip install 'fer-gym[benchmark]'") from error
        self._optuna = optuna
        self._seed = seed

    def _try_all(self, tries: int) -> None:
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        study = self._optuna.create_study(
            direction="maximize", sampler=self._optuna.samplers.TPESampler(seed=self._seed)
        )
        bounds = list(zip(self._box.low.tolist(), self._box.high.tolist(), strict=True))
        for _ in range(tries):
            trial = study.ask()
            action = [trial.suggest_float(f"strength {place}", *pair) for place, pair in enumerate(bounds)]
            schedule = np.array([action], dtype=self._box.dtype)
            score = self._train(schedule, self._child())
            study.tell(trial, score)
            self._note(schedule, score)
