"""Agents for ImageSelect-v0 that do not learn, with the interface of those that do."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.data.splits import HALF_FACE, UNTOUCHED
from fer_gym.errors import UsageError
from fer_gym_agents.base import FixedAgent, batch_shape
from fer_gym_agents.selection.scored import ScoredSelection
from fer_gym_agents.selection.selection_env import true_noise


class RandomKeep(FixedAgent):
    """Retains each image with a fixed probability, whatever it shows.

    Args:
        env: the environment, as every agent is given one.
        keep_ratio: the probability of action 1, in [0, 1].
        seed: of the coin.

    Raises:
        ValueError: if `keep_ratio` is outside [0, 1].
    """

    def __init__(self, env: gym.Env[Any, Any], keep_ratio: float = 0.5, seed: int | None = None) -> None:
        if not 0.0 <= keep_ratio <= 1.0:
            raise UsageError(f"keep_ratio: {keep_ratio!r} is not allowed; use a probability in [0, 1]")
        super().__init__(env, {"keep_ratio": keep_ratio, "seed": seed})
        self.keep_ratio = keep_ratio
        self._rng = np.random.default_rng(seed)

    def predict(
        self,
        observation: NDArray[np.float32],
        state: None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.int64], None]:
        """One coin for each observation: int64, () or (B,)."""
        batch = batch_shape(self.env, observation)
        return np.asarray(self._rng.random(batch) < self.keep_ratio, dtype=np.int64), None

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """pi(a = 1), float32, (B,)."""
        return np.full(len(observations), self.keep_ratio, dtype=np.float32)


class KeepAll(RandomKeep):
    """Retains every image: the paper's DCNN."""

    def __init__(self, env: gym.Env[Any, Any], keep_ratio: float = 1.0, seed: int | None = None) -> None:
        super().__init__(env, keep_ratio, seed)


class Oracle(ScoredSelection):
    """Knows the true noise of every image, which no method may: what a perfect selection would be worth.

    The score is 1 for an image without noise, 1/2 for a half face, which still shows its expression, 0 for the rest.

    Args:
        env: ImageSelect-v0 with a data set that knows its noise.
        seed: decides between equals.
        keep_ratio: see `ScoredSelection`.

    Raises:
        ValueError: as `ScoredSelection`, or if the noise is not known.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int | None = None, keep_ratio: float | str = "clean") -> None:
        super().__init__(env, seed, keep_ratio)
        self._noise = true_noise(self.base, "the oracle")

    def score(self) -> NDArray[np.floating]:
        """1, 1/2 or 0 for each image, (N,)."""
        return np.select([self._noise == UNTOUCHED, self._noise == HALF_FACE], [1.0, 0.5], 0.0)


class ImageVariance(ScoredSelection):
    """Retains the images whose pixels vary most: what finds none-faces without any learning.

    Args:
        env: ImageSelect-v0.
        seed: decides between equals.
        keep_ratio: see `ScoredSelection`.

    Raises:
        ValueError: as `ScoredSelection`.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int | None = None, keep_ratio: float | str = 0.8) -> None:
        super().__init__(env, seed, keep_ratio)

    def score(self) -> NDArray[np.floating]:
        """The variance of each image's pixels, (N,), in squared grey levels."""
        pixels = self.base.splits.train.pixels
        variance: NDArray[np.float64] = pixels.reshape(len(pixels), -1).var(axis=1)
        return variance
