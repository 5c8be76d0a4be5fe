"""A walk that trains nothing: retaining pays where the first number of an observation is positive."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete


class ToyWalk(gym.Env[np.ndarray, np.int64]):
    """`num_images` steps; the reward of image i is +-`worth`, by the sign that its observation begins with.

    `episodes` counts (those begun and walked to the end) what options={"freeze": True} was said of.
    """

    observation_space = Box(-2.0, 2.0, (4,), np.float32)
    action_space = Discrete(2)

    def __init__(self, num_images: int = 16, worth: float = 0.1) -> None:
        self.num_images = num_images
        self.worth = worth
        self.frozen_episodes = self.episodes = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self._frozen = bool((options or {}).get("freeze"))
        self._observations = self.np_random.normal(0, 0.1, (self.num_images + 1, 4)).astype(np.float32)
        signs = self.np_random.integers(2, size=self.num_images + 1) * 2 - 1
        self._observations[:, 0] = signs
        self._rewards = self.worth * signs[:-1]
        self._actions: list[int] = []
        return self._observations[0].copy(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._actions.append(int(action))
        i = len(self._actions)
        observation = self._observations[i].copy()
        if i < self.num_images:
            return observation, 0.0, False, False, {}
        self.frozen_episodes += self._frozen
        self.episodes += not self._frozen
        actions = np.array(self._actions)
        credits = ((2 * actions - 1) * self._rewards).astype(np.float32)
        reward = float((actions * self._rewards).sum())
        return observation, reward, True, False, {"sample_credits": credits}


GOOD, BAD = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]], np.float32)
