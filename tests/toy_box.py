"""Episodes of `chunks` steps, each rewarded by how near an action comes to a target."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box


class ToyBox(gym.Env[np.ndarray, np.ndarray]):
    """The reward is -sum((action - target)^2); observations tell nothing. `actions` keeps what arrived."""

    observation_space = Box(0.0, 20.0, (3,), np.float32)
    action_space = Box(np.array([0.0, 0.1], np.float32), np.array([0.8, 0.3], np.float32))
    target = np.array([0.65, 0.15])

    def __init__(self, chunks: int = 5) -> None:
        self.chunks = chunks
        self.actions: list[np.ndarray] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        return np.ones(3, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        self.actions.append(np.array(action))
        reward = -float(((action - self.target) ** 2).sum())
        return np.ones(3, np.float32), reward, self._steps == self.chunks, False, {}
