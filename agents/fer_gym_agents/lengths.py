"""How long an episode is, as the environment tells it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv


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
        raise ValueError(f"env: it does not tell its `{name}`; use {task}")
    return length
