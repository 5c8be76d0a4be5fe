"""Search for the best constant action: what an adaptive agent must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import gymnasium as gym
import numpy as np

from fer_gym_agents.schedules import Static


class BestStatic(Static):
    """The constant action whose children score best on the validation split, of a grid.

    Each round of learning trains one child under every action of the grid, all from the same seed, so the actions are
    compared in pairs. Rounds go on while the budget lasts.

    Args:
        env: RegTune-v0, or another environment with a bounded Box whose last info has `validation`.
        seed: of the first round's children; the next rounds' are drawn from it.
        strengths: the grid: numbers, or actions (h,); None is six, evenly over the box, its low end left out.
        score: the key of `validation` that decides.
        strength: the answer, where it is known (`load` gives it); None begins at the box's low end.

    Raises:
        ValueError: if the actions are no bounded Box or the grid is empty or leaves it; from `learn`, if the budget
            is less than one round.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        strengths: Sequence[float] | Sequence[Sequence[float]] | None = None,
        score: str = "macro_f1",
        strength: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(env, seed, strength)
        box = env.action_space
        assert isinstance(box, gym.spaces.Box)
        if strengths is None:
            strengths = [(box.low + share * (box.high - box.low)).tolist() for share in np.linspace(0, 1, 7)[1:]]
        if not len(strengths):
            raise ValueError("strengths: the grid is empty; give at least one action")
        self.candidates = [Static(env, strength=candidate) for candidate in strengths]
        self.score = score
        self._rng = np.random.default_rng(seed)
        #: (rounds, size of the grid): the score of each child.
        self.scores: list[list[float]] = []

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Self:
        """Train children for at most `total_timesteps` steps, and settle for the best action."""
        chunks: int = self.env.get_wrapper_attr("chunks")
        rounds = total_timesteps // (chunks * len(self.candidates))
        if not rounds:
            raise ValueError(
                f"total_timesteps: {total_timesteps} is less than a child for each of the {len(self.candidates)} "
                f"actions, {chunks * len(self.candidates)}; give more, or a smaller grid"
            )
        for child in self._rng.integers(2**31, size=rounds).tolist():
            self.scores.append([self._score_of(candidate, child) for candidate in self.candidates])
        best = self.candidates[int(np.mean(self.scores, axis=0).argmax())]
        self.schedule = best.schedule
        self._keywords = {"strength": best.schedule[0].tolist()}
        return self

    def _score_of(self, candidate: Static, child: int) -> float:
        observation, _ = self.env.reset(seed=child)
        over = False
        while not over:
            observation, _, over, _, info = self.env.step(candidate.predict(observation)[0])
        return float(info["validation"][self.score])
