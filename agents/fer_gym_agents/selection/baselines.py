"""Agents for ImageSelect-v0 that do not learn: keeping all, a coin, the truth about the noise, the pixels' variance."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.checks import check_number
from fer_gym.data.splits import HALF_FACE, UNTOUCHED
from fer_gym_agents.base import KeywordAgent, Memoryless, check_retains
from fer_gym_agents.selection.scored import ScoredSelection
from fer_gym_agents.selection.selection_env import true_noise


class RandomKeep(Memoryless, KeywordAgent):
    """Retains each image with a fixed probability, whatever it shows.

    Args:
        env: the environment, as every agent is given one.
        keep_ratio: the probability of action 1, in [0, 1].
        seed: of the coin.

    Raises:
        ValueError: if `keep_ratio` is outside [0, 1], or the actions are not `Discrete(2)`.
    """

    def __init__(self, env: gym.Env[Any, Any], keep_ratio: float = 0.5, seed: int | None = None) -> None:
        check_number("keep_ratio", keep_ratio, "[0, 1]")
        check_retains(env.action_space, type(self).__name__)
        super().__init__(env, {"keep_ratio": keep_ratio, "seed": seed})
        self.keep_ratio = keep_ratio
        self._rng = np.random.default_rng(seed)

    def _act(self, observation: NDArray[np.float32], batch: tuple[int, ...]) -> NDArray[np.int64]:
        """One coin for each observation: int64, () or (B,)."""
        return np.asarray(self._rng.random(batch) < self.keep_ratio, dtype=np.int64)

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """pi(a = 1), float32, (B,)."""
        return np.full(len(observations), self.keep_ratio, dtype=np.float32)


class KeepAll(RandomKeep):
    """Retains every image: the paper's DCNN."""

    def __init__(self, env: gym.Env[Any, Any], keep_ratio: float = 1.0, seed: int | None = None) -> None:
        super().__init__(env, keep_ratio, seed)


class Oracle(ScoredSelection):
    """Reads the true noise of every image, which no method may: an upper bound for selections.

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
    """Retains the images whose pixels vary most: without any learning it removes pictures that show no face.

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
