"""What the agents that do not learn share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
from numpy.typing import NDArray


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
