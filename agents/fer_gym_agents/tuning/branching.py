"""Searches that branch a training run: they copy a child's whole state, and train on from it in several ways.

A branch is exact: the copies train on the same batches with the same draws, and differ by their strengths alone. Ray
Tune's population-based training restores a checkpoint file into another process instead, so it is not used here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_gym.checks import check_count
from fer_gym.envs import RegTuneEnv
from fer_gym.errors import UsageError
from fer_gym_agents.tuning.search import Search


class _Branching(Search):
    """A search that steps the environment beneath its wrappers: an episode log must not take branches for episodes."""

    def __init__(
        self, env: gym.Env[Any, Any], seed: int | None, score: str, schedule: ArrayLike | None, keywords: dict[str, Any]
    ) -> None:
        super().__init__(env, seed, score, schedule)
        self._keywords |= keywords
        base = env.unwrapped
        if not isinstance(base, RegTuneEnv):
            raise UsageError(f"env: {type(base).__name__} is no RegTune-v0, whose children this agent branches")
        self.base = base

    def _reset(self) -> None:
        """Begin a new child; its warm-up, if it has one, is a chunk."""
        self.base.reset(seed=self._child())
        self.chunks_trained += self.base.warmup is not None

    def _step(self, strength: NDArray[Any]) -> dict[str, Any]:
        """Train the child as it is for a chunk; the info."""
        self.chunks_trained += 1
        info: dict[str, Any] = self.base.step(strength)[-1]
        self.runs_ended += "validation" in info
        return info


class Greedy(_Branching):
    """In each chunk the strength after which the validation F1 is best, found by trying all of a grid.

    The children that it learns from are branched; the best one's schedule is then repeated on fresh children.

    Args:
        env: RegTune-v0.
        seed: of the children.
        strengths: the grid, from 0 at the box's low end to 1 at its high end.
        score: the key of `validation` by which the best schedule is chosen.
        schedule: the answer, where it is known.

    Raises:
        ValueError: as `Search`, if `env` is not RegTune-v0, or the grid is empty or leaves [0, 1].
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0),
        score: str = "macro_f1",
        schedule: ArrayLike | None = None,
    ) -> None:
        super().__init__(env, seed, score, schedule, {"strengths": list(strengths)})
        if not strengths or min(strengths) < 0 or max(strengths) > 1:
            raise UsageError(f"strengths: {strengths!r} is not allowed; use at least one share of the box, in [0, 1]")
        width = self._box.high - self._box.low
        self.grid = [(self._box.low + share * width).astype(self._box.dtype) for share in strengths]

    @property
    def _cost(self) -> int:
        return self._chunks * len(self.grid)

    def _try_all(self, tries: int) -> None:
        for _ in range(tries):
            self._reset()
            schedule: list[NDArray[Any]] = []
            info: dict[str, Any] = {}
            while "validation" not in info:
                chosen, info = self._best_chunk()
                schedule.append(chosen)
            self._note(np.array(schedule), info["validation"][self.score])

    def _best_chunk(self) -> tuple[NDArray[Any], dict[str, Any]]:
        """Go on with the best branch; its strength and its info."""
        before = self.base.state_dict()
        branches = []
        for strength in self.grid:
            self.base.load_state_dict(before)
            info = self._step(strength)
            branches.append((info["val_f1"], strength, info, self.base.state_dict()))
        _, strength, info, after = max(branches, key=lambda branch: branch[0])
        self.base.load_state_dict(after)
        return strength, info


@dataclass
class _Member:
    """One child of a population."""

    state: dict[str, Any]
    strength: NDArray[Any]
    schedule: list[NDArray[Any]] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return "validation" in self.info


class PopulationBasedTraining(_Branching):
    """Population-based training (Jaderberg et al. 2017) of the strengths.

    After every `interval` chunks the worst quarter of the population takes over the state and the strength of a member
    of the best quarter, by validation F1, and changes the strength: times 0.8 or 1.2, or drawn anew with probability
    1/4. The schedule that led to the best child is then repeated on fresh ones.

    Args:
        env: RegTune-v0.
        seed: of the children and of all draws.
        population: children that train together.
        interval: in chunks.
        score: the key of `validation` by which the best child is chosen.
        schedule: the answer, where it is known.

    Raises:
        ValueError: as `Search`, if `env` is not RegTune-v0, the population is under 4 or the interval under 1.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        population: int = 8,
        interval: int = 5,
        score: str = "macro_f1",
        schedule: ArrayLike | None = None,
    ) -> None:
        super().__init__(env, seed, score, schedule, {"population": population, "interval": interval})
        check_count("population", population, least=4)
        check_count("interval", interval, least=1)
        self.population = population
        self.interval = interval

    @property
    def _cost(self) -> int:
        return self._chunks * self.population

    def _try_all(self, tries: int) -> None:
        for _ in range(tries):
            members = [self._member() for _ in range(self.population)]
            for chunk in range(1, self._chunks + 1):
                for member in members:
                    self._train_chunk(member)
                if chunk % self.interval == 0:
                    self._exploit_and_explore(members)
            for member in members:
                self._note(np.array(member.schedule), member.info["validation"][self.score])

    def _member(self) -> _Member:
        self._reset()
        return _Member(self.base.state_dict(), self._drawn())

    def _train_chunk(self, member: _Member) -> None:
        """Train a member for a chunk, unless its run is over (the last chunk, or a loss that is not finite)."""
        if member.over:
            return
        self.base.load_state_dict(member.state)
        member.info = self._step(member.strength)
        member.state = self.base.state_dict()
        member.schedule.append(member.strength)

    def _exploit_and_explore(self, members: list[_Member]) -> None:
        ranked = sorted(members, key=lambda member: member.info["val_f1"], reverse=True)
        quarter = len(ranked) // 4
        for worst in ranked[-quarter:]:
            better = ranked[int(self._rng.integers(quarter))]
            if better.over:
                continue
            worst.state, worst.schedule, worst.info = better.state, list(better.schedule), better.info
            worst.strength = self._explored(better.strength)

    def _explored(self, strength: NDArray[Any]) -> NDArray[Any]:
        if self._rng.random() < 0.25:
            return self._drawn()
        factor = self._rng.choice([0.8, 1.2])
        explored: NDArray[Any] = np.clip(strength * factor, self._box.low, self._box.high).astype(self._box.dtype)
        return explored

    def _drawn(self) -> NDArray[Any]:
        drawn: NDArray[Any] = self._rng.uniform(self._box.low, self._box.high).astype(self._box.dtype)
        return drawn
