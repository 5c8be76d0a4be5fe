"""What agents of both environments share: being saved as keywords, and the length of an episode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from fer_gym.errors import UsageError


class FixedAgent:
    """An agent that learns nothing and is saved as its keywords.

    Args:
        env: the environment, as every agent is given one.
        keywords: what `load` builds the agent from; JSON must know their types.
    """

    def __init__(self, env: gym.Env[Any, Any], keywords: dict[str, Any]) -> None:
        self.env = env
        self._keywords = keywords

    def learn(self, total_timesteps: int, callback: Any = None, **_: Any) -> Self:
        """Learn nothing and take no step."""
        return self

    def save(self, path: str | Path) -> None:
        """Write the agent's keywords as JSON."""
        Path(path).write_text(json.dumps(self._keywords))

    @classmethod
    def load(cls, path: str | Path, env: gym.Env[Any, Any]) -> Self:
        """Build the agent that `save` wrote, for `env`."""
        return cls(env, **json.loads(Path(path).read_text()))


def batch_shape(env: gym.Env[Any, Any], observation: NDArray[Any]) -> tuple[int, ...]:
    """() for one observation of `env`, (B,) for a batch."""
    assert env.observation_space.shape is not None
    return observation.shape[: observation.ndim - len(env.observation_space.shape)]


def told_length(env: gym.Env[Any, Any] | VecEnv, name: str) -> int | None:
    """The steps of an episode: `num_images` of ImageSelect-v0 or `chunks` of RegTune-v0, None for other environments.

    Of several walkers it is the longest walk: some shards are one image shorter.
    """
    if isinstance(env, VecEnv):
        return int(max(env.get_attr(name))) if env.has_attr(name) else None
    return int(env.get_wrapper_attr(name)) if env.has_wrapper_attr(name) else None


def needed_length(env: gym.Env[Any, Any] | VecEnv, name: str) -> int:
    """`told_length`, for an algorithm that goes by it.

    Raises:
        ValueError: if the environment does not tell.
    """
    length = told_length(env, name)
    if length is None:
        task = "ImageSelect-v0" if name == "num_images" else "RegTune-v0"
        raise UsageError(f"env: it does not tell its `{name}`; use {task}")
    return length
