"""Agents whose actions are fixed beforehand: for RegTune-v0, and for any other environment with a bounded Box.

The `state` that `predict` returns and takes counts the steps of an episode, as recurrent policies carry theirs. Without
a state, `predict` returns the first action. It belongs to the first `step`; under RegTune-v0's `warmup="uniform"`,
`reset` has trained a chunk by then.
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

from fer_gym.checks import check_count
from fer_gym.envs import RegTuneEnv
from fer_gym.errors import UsageError
from fer_gym_agents.base import KeywordAgent, Memoryless, batch_shape, bounded_box, episode_length


class Schedule(KeywordAgent):
    """Takes row t of `schedule`, an action in each, in step t of an episode, and its last row from then on.

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
        """The action of each episode's step, (h,) or (B, h), and as the state the steps taken, int64 () or (B,)."""
        batch = batch_shape(self.env, observation)
        step = np.zeros(batch, dtype=np.int64) if state is None else state
        if episode_start is not None:
            step = np.where(np.reshape(episode_start, batch), 0, step)
        return self.schedule[np.minimum(step, len(self.schedule) - 1)].copy(), step + 1


class Static(Schedule):
    """The same action in every step; vanilla, without regularisation, where all strengths are 0.

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
        box = bounded_box(env, type(self).__name__)
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
        box = bounded_box(env, type(self).__name__)
        first = action_in("start", box.low if start is None else start, box)
        last = action_in("end", box.high if end is None else end, box)
        chunks = steps_of(env, chunks)
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
        box = bounded_box(env, type(self).__name__)
        chunks = steps_of(env, chunks)
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


class RandomPerChunk(KeywordAgent):
    """An action drawn anew in each step, uniformly from the box.

    Args:
        env: the environment, its actions a bounded Box.
        seed: of the draws.

    Raises:
        ValueError: if the actions are no bounded Box.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int | None = None) -> None:
        super().__init__(env, {"seed": seed})
        self._box = bounded_box(env, type(self).__name__)
        self._rng = np.random.default_rng(seed)

    def predict(
        self,
        observation: NDArray[np.float32],
        state: None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], None]:
        """One draw for each observation, (h,) or (B, h); its mean, the middle of the box, if `deterministic`."""
        box, shape = self._box, (*batch_shape(self.env, observation), *self._box.shape)
        if deterministic:
            return np.broadcast_to((box.low + box.high) / 2, shape).copy(), None
        return self._rng.uniform(box.low, box.high, shape).astype(box.dtype), None


class KnowsInstance(Memoryless, KeywordAgent):
    """A constant action for each instance of RegTune-v0, whose number it reads: the value of knowing the instance.

    Args:
        env: RegTune-v0.
        seed: without effect; every agent is given one.
        strengths: of each instance, a number or one for each of the h regularisers.

    Raises:
        ValueError: if `env` is not RegTune-v0, has another number of instances, or a strength lies outside its box.
    """

    def __init__(
        self, env: gym.Env[Any, Any], seed: int | None = None, *, strengths: Sequence[float | Sequence[float]]
    ) -> None:
        base = env.unwrapped
        if not isinstance(base, RegTuneEnv):
            raise UsageError(f"env: {type(base).__name__} is no RegTune-v0, whose instance the agent reads")
        if len(strengths) != len(base.instances):
            raise UsageError(f"strengths: {len(strengths)} for {len(base.instances)} instances; give one for each")
        box = bounded_box(env, type(self).__name__)
        self._actions = [action_in("strengths", strength, box) for strength in strengths]
        super().__init__(env, {"strengths": [action.tolist() for action in self._actions]})
        self._base = base

    def _act(self, observation: NDArray[np.float32], batch: tuple[int, ...]) -> NDArray[Any]:
        """The action of the environment's instance: (h,) or (B, h)."""
        action = self._actions[self._base.instance]
        return np.broadcast_to(action, (*batch, *action.shape)).copy()


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


def steps_of(env: gym.Env[Any, Any], chunks: int | None) -> int:
    """`chunks`, or the environment's.

    Raises:
        ValueError: if it is not at least 1, or not known.
    """
    if chunks is None:
        chunks = episode_length(env, "chunks")
        if chunks is None:
            raise UsageError("chunks: the environment has no attribute `chunks`; give the steps of an episode")
    check_count("chunks", chunks, least=1)
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
