"""What agents of both environments share: `predict`, being saved as keywords, and which environment they fit."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from fer_gym.errors import UsageError


class Memoryless(ABC):
    """`predict` as Stable-Baselines3 has it, for agents without a hidden state."""

    env: gym.Env[Any, Any]

    def predict(
        self,
        observation: NDArray[np.float32],
        state: None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], None]:
        """An action for one observation, or a batch of B for B of them; the other arguments are without effect."""
        return self._act(observation, batch_shape(self.env, observation)), None

    @abstractmethod
    def _act(self, observation: NDArray[np.float32], batch: tuple[int, ...]) -> NDArray[Any]:
        """The action, or the batch of them, for observations of that batch shape."""


class KeywordAgent:
    """An agent that is saved as keywords: those that it was made with, and its answer where it searches for one.

    Args:
        env: the environment.
        keywords: what `load` makes the agent from; JSON must know their types.
    """

    def __init__(self, env: gym.Env[Any, Any], keywords: dict[str, Any]) -> None:
        self.env = env
        self._keywords = keywords

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Self:
        """Take no step, unless a subclass says otherwise."""
        return self

    def save(self, path: str | Path) -> None:
        """Write the agent's keywords as JSON."""
        Path(path).write_text(json.dumps(self._keywords))

    @classmethod
    def load(cls, path: str | Path, env: gym.Env[Any, Any]) -> Self:
        """Make the agent that `save` wrote, for `env`."""
        return cls(env, **json.loads(Path(path).read_text()))


def batch_shape(env: gym.Env[Any, Any], observation: NDArray[Any]) -> tuple[int, ...]:
    """() for one observation of `env`, (B,) for a batch."""
    assert env.observation_space.shape is not None
    return observation.shape[: observation.ndim - len(env.observation_space.shape)]


def check_retains(space: Space[Any], agent: str) -> None:
    """Raise unless the actions are those of ImageSelect-v0.

    Raises:
        UsageError: if they are not `Discrete(2)`.
    """
    if not isinstance(space, Discrete) or (space.n, space.start) != (2, 0):
        raise UsageError(f"env: its actions are {space}; {agent} needs Discrete(2), as ImageSelect-v0 has")


def bounded_box(env: gym.Env[Any, Any] | VecEnv, agent: str) -> Box:
    """The actions of `env`, if they are those of RegTune-v0.

    Raises:
        UsageError: if they are no bounded Box of real numbers.
    """
    box = env.action_space
    if not (isinstance(box, Box) and np.issubdtype(box.dtype, np.floating) and box.is_bounded()):
        raise UsageError(
            f"env: its actions are {box}; {agent} needs a Box of real numbers with finite bounds, as RegTune-v0 has"
        )
    return box


def episode_length(env: gym.Env[Any, Any] | VecEnv, name: str) -> int | None:
    """The steps of an episode: `num_images` of ImageSelect-v0 or `chunks` of RegTune-v0, None for other environments.

    With several walkers it is the longest walk: some shards are one image shorter.
    """
    if isinstance(env, VecEnv):
        return int(max(env.get_attr(name))) if env.has_attr(name) else None
    return int(env.get_wrapper_attr(name)) if env.has_wrapper_attr(name) else None
