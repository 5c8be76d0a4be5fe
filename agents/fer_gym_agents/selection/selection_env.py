"""ImageSelect-v0 beneath its wrappers, for agents that read more of it than its observations."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.envs import ImageSelectEnv
from fer_gym.errors import UsageError


def image_select(env: gym.Env[Any, Any], agent: str) -> ImageSelectEnv:
    """The environment beneath the wrappers.

    Raises:
        ValueError: if it is not ImageSelect-v0.
    """
    base = getattr(env, "unwrapped", env)
    if not isinstance(base, ImageSelectEnv):
        raise UsageError(f"env: {type(base).__name__} is no ImageSelect-v0, whose images and labels {agent} reads")
    return base


def true_noise(base: ImageSelectEnv, reader: str) -> NDArray[np.int8]:
    """The truth about the training images' noise, int8, (N,).

    Raises:
        ValueError: if the data set has none.
    """
    noise: NDArray[np.int8] | None = base.splits.train.noise
    if noise is None:
        raise UsageError(f"{reader} needs the truth about the noise, which this data set does not know; set noise=")
    return noise
