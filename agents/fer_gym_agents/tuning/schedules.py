"""Agents whose actions are laid down beforehand: for RegTune-v0, and for any other environment with a bounded Box.

They count the steps of an episode in the `state` that `predict` returns and takes, as recurrent policies keep theirs:
who calls `predict` without it gets the first action. That is the one for the first `step`; under RegTune-v0's
`warmup="uniform"` a chunk has been trained by then, inside `reset`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from fer_gym.errors import UsageError
from fer_gym_agents.base import FixedAgent, batch_shape, told_length


class Schedule(FixedAgent):
    """Takes row t of `schedule`, an action in each, in step t of an episode, and its last row ever after.

    Args:
        env: the environment.
        keywords: what `load` builds the agent from.
        schedule: the actions.
    """

    def __init__(self, env: gym.Env[Any, Any], keywords: dict[str, Any], schedule: NDArray[Any]) -> None:
        super().__init__(env, keywords)
        self.schedule = schedule

    def predict(
        self,
        observation: NDArray[np.float32],
        state: NDArray[np.int64] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The action of each episode's step, whatever is observed.

        Args:
            observation: one, or a batch of B.
            state: int64, () or (B,): the steps taken in each episode, as returned by the call before; None for 0.
            episode_start: bool, (1,) or (B,): where an episode begins, and the state is 0 whatever was given.
            deterministic: without effect.

        Returns:
            Actions (h,) or (B, h), and the next state.
        """
        batch = batch_shape(self.env, observation)
        step = np.zeros(batch, dtype=np.int64) if state is None else state
        if episode_start is not None:
            step = np.where(np.reshape(episode_start, batch), 0, step)
        return self.schedule[np.minimum(step, len(self.schedule) - 1)].copy(), step + 1


class Static(Schedule):
    """The same action in every step; without regularisation (vanilla) where that is the low end of the box.

    Args:
        env: the environment, its actions a bounded Box.
        seed: without effect; every agent is given one.
        strength: a number, or one for each of the h regularisers; None is the box's low end.

    Raises:
        ValueError: if the actions are no bounded Box, or `strength` lies outside it.
    """

    def __init__(
        self, env: gym.Env[Any, Any], seed: int | None = None, strength: float | Sequence[float] | None = None
    ) -> None:
        box = bounded_box(env)
        action = action_in("strength", box.low if strength is None else strength, box)
        super().__init__(env, {"strength": action.tolist()}, action[None])


class Linear(Schedule):
    """A straight line from one action, in the first step of an episode, to another in the last.

    Args:
        env: the environment, its actions a bounded Box.
        seed: without effect; every agent is given one.
        start: the first action: a number, or one for each of the h regularisers; None is the box's low end.
        end: the last one, likewise; None is the box's high end.
        chunks: the steps of an episode; None asks the environment.

    Raises:
        ValueError: if the actions are no bounded Box, `start` or `end` lies outside it, or `chunks` is not at least 1
            or not known.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        start: float | Sequence[float] | None = None,
        end: float | Sequence[float] | None = None,
        chunks: int | None = None,
    ) -> None:
        box = bounded_box(env)
        first = action_in("start", box.low if start is None else start, box)
        last = action_in("end", box.high if end is None else end, box)
        chunks = episode_length(env, chunks)
        share = self._share_of_the_way(np.linspace(0.0, 1.0, chunks)).reshape(-1, *[1] * first.ndim)
        keywords = {"start": first.tolist(), "end": last.tolist(), "chunks": chunks}
        super().__init__(env, keywords, ((1 - share) * first + share * last).astype(box.dtype))

    @staticmethod
    def _share_of_the_way(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        return progress


class Cosine(Linear):
    """Half a period of a cosine from `start` to `end`: as `Linear`, but slow at both ends."""

    @staticmethod
    def _share_of_the_way(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1 - np.cos(np.pi * progress)) / 2


class Curriculum(Linear):
    """Curriculum dropout (Morerio et al. 2017): from `start` towards `end` as 1 - exp(-10 t / T), fast at first."""

    @staticmethod
    def _share_of_the_way(progress: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 - np.exp(-10.0 * progress)


class Replay(Schedule):
    """A recorded schedule, once more.

    Args:
        env: the environment, its actions a bounded Box.
        seed: without effect; every agent is given one.
        schedule: the actions, (T, h), or the path of a JSON file that has them under the key "schedule".
        chunks: the steps of an episode, at most T; None asks the environment.

    Raises:
        ValueError: if the actions are no bounded Box, the file cannot be read, or `schedule` is wrongly shaped, has
            values outside the box or fewer steps than the episode.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        *,
        schedule: ArrayLike | str | Path,
        chunks: int | None = None,
    ) -> None:
        box = bounded_box(env)
        chunks = episode_length(env, chunks)
        rows = _recorded(schedule) if isinstance(schedule, str | Path) else schedule
        try:
            actions = np.array(rows, dtype=box.dtype)
        except (TypeError, ValueError) as error:
            raise UsageError(f"schedule: it is no array of numbers ({error})") from error
        if actions.ndim != 1 + len(box.shape) or actions.shape[1:] != box.shape:
            raise UsageError(f"schedule: its shape is {actions.shape}, expected (steps, *{box.shape})")
        if len(actions) < chunks:
            raise UsageError(f"schedule: it has {len(actions)} steps, the episode {chunks}")
        for step, action in enumerate(actions):
            if not box.contains(action):
                raise UsageError(f"schedule: step {step}, {action.tolist()}, lies outside {_bounds(box)}")
        super().__init__(env, {"schedule": actions.tolist(), "chunks": chunks}, actions)


class RandomPerChunk(FixedAgent):
    """An action drawn anew in each step, uniformly from the box.

    Args:
        env: the environment, its actions a bounded Box.
        seed: of the draws.

    Raises:
        ValueError: if the actions are no bounded Box.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int | None = None) -> None:
        super().__init__(env, {"seed": seed})
        self._box = bounded_box(env)
        self._rng = np.random.default_rng(seed)

    def predict(
        self,
        observation: NDArray[np.float32],
        state: None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], None]:
        """One draw for each observation: (h,) or (B, h)."""
        shape = (*batch_shape(self.env, observation), *self._box.shape)
        return self._rng.uniform(self._box.low, self._box.high, shape).astype(self._box.dtype), None


def bounded_box(env: gym.Env[Any, Any]) -> Box:
    """The actions of `env`.

    Raises:
        ValueError: if they are no bounded Box of real numbers.
    """
    box = env.action_space
    if not (isinstance(box, Box) and np.issubdtype(box.dtype, np.floating) and box.is_bounded()):
        raise UsageError(f"env: its actions are {box}; a schedule needs a Box of real numbers with finite bounds")
    return box


def _bounds(box: Box) -> str:
    return f"[{box.low.tolist()}, {box.high.tolist()}]"


def action_in(name: str, value: ArrayLike, box: Box) -> NDArray[Any]:
    """`value`, a number or an action, as an action of `box`.

    Raises:
        ValueError: if it is neither, or lies outside; the message begins with `name`.
    """
    allowed = f"use a number, or an array of shape {box.shape}, in {_bounds(box)}"
    try:
        action = np.array(value, dtype=box.dtype)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {value!r} is not allowed; {allowed}") from error
    if action.ndim == 0:
        action = np.full(box.shape, action)
    if not box.contains(action):
        raise UsageError(f"{name}: {value!r} is not allowed; {allowed}")
    return action


def episode_length(env: gym.Env[Any, Any], chunks: int | None) -> int:
    """`chunks`, or the environment's.

    Raises:
        ValueError: if it is not at least 1, or not known.
    """
    if chunks is None:
        chunks = told_length(env, "chunks")
        if chunks is None:
            raise UsageError("chunks: the environment does not tell its own; give the steps of an episode")
    if isinstance(chunks, bool) or not isinstance(chunks, int | np.integer) or chunks < 1:
        raise UsageError(f"chunks: {chunks!r} is not allowed; use a whole number of at least 1")
    return int(chunks)


def _recorded(path: str | Path) -> Any:
    """What a JSON file has under the key "schedule"."""
    try:
        record = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"schedule: {path} cannot be read as JSON ({error})") from error
    if not isinstance(record, dict) or "schedule" not in record:
        raise UsageError(f'schedule: {path} has no key "schedule"')
    return record["schedule"]
