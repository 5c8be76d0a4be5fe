"""Stable-Baselines3's other algorithms, with settings for a budget of tens of episodes."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import A2C, SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import VecEnv

from fer_gym.errors import UsageError
from fer_gym_agents.base import bounded_box, check_retains, episode_length
from fer_gym_agents.sb3.credit_algorithms import CreditA2C, walk_settings
from fer_gym_agents.sb3.credit_dqn import CreditDQN
from fer_gym_agents.sb3.policies import PER_CLASS, Blind, BoxPolicy, PerClass, Symlog

# The size of an off-policy algorithm's replay buffer: more steps than it takes here; Stable-Baselines3's is a million.
_MEMORY = 100_000


def a2c(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, **settings: Any) -> A2C:
    """A2C: one gradient step an episode; in ImageSelect-v0 on the images' credits.

    In ImageSelect-v0 it has PPO's policy, entropy bonus and Adam, and more frozen walks: 40 before the first episode
    and four after each.

    Args:
        env: either environment.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `stable_baselines3.A2C`, in place of the defaults here.
    """
    if images := episode_length(env, "num_images"):
        of_a_walk = {
            "learning_rate": 3e-3,
            "use_rms_prop": False,
            "ent_coef": 0.08,
            # PPO makes hundreds of gradient steps of a walk, A2C one: it needs more of the walks that train no network.
            "pretrain_episodes": 40,
            "refresh_episodes": 4,
        }
        policy_kwargs = {**PER_CLASS, **(settings.get("policy_kwargs") or {})}
        settings = {**of_a_walk, **settings, "policy_kwargs": policy_kwargs}
        return CreditA2C(env=env, seed=seed, **walk_settings(images, settings))
    bounded_box(env, "A2C")
    defaults = {
        "policy": BoxPolicy,
        "n_steps": _needed_length(env, "A2C", "chunks"),
        "learning_rate": 3e-3,
        "gamma": 0.995,
        "device": "cpu",
        "policy_kwargs": {"features_extractor_class": Symlog, "log_std_init": -0.7},
    }
    return A2C(env=env, seed=seed, **{**defaults, **settings})


def dqn(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, **settings: Any) -> CreditDQN:
    """DQN on ImageSelect-v0's credits: after each walk ten passes over as many transitions, of the last four walks.

    The network is PPO's without the critic; one action in twenty is drawn at random.

    Args:
        env: ImageSelect-v0.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `CreditDQN`, in place of the defaults here; `policy_kwargs` are added to them.
    """
    check_retains(env.action_space, "DQN")
    images = _needed_length(env, "DQN", "num_images")
    rollout = images * getattr(env, "num_envs", 1)
    batch_size = settings.get("batch_size", 64)
    defaults = {
        "policy": "MlpPolicy",
        "learning_rate": 1e-3,
        "buffer_size": 4 * rollout,
        "learning_starts": 0,
        "batch_size": batch_size,
        "gamma": 0.0,
        "train_freq": (images, "step"),
        "gradient_steps": 10 * math.ceil(rollout / batch_size),
        "exploration_initial_eps": 0.05,
        "device": "cpu",
    }
    policy_kwargs = {"features_extractor_class": PerClass, "net_arch": [], **(settings.get("policy_kwargs") or {})}
    return CreditDQN(env=env, seed=seed, **{**defaults, **settings, "policy_kwargs": policy_kwargs})


def sac(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, blind: bool = False, **settings: Any) -> SAC:
    """SAC on RegTune-v0, with a fixed entropy coefficient of .01 (Stable-Baselines3's `ent_coef`).

    Stable-Baselines3's default adapts the coefficient, from 1 downwards. A chunk changes F1 by some .05, so an entropy
    bonus at a coefficient of 1 outweighs the rewards of the first hundreds of chunks, and a training has only hundreds.

    Args:
        env: RegTune-v0.
        seed: of the agent and of its environment's first reset.
        blind: give its networks zeros in place of the observations, to measure whether it uses them.
        settings: any keyword of `stable_baselines3.SAC`, in place of the defaults here.
    """
    extractor = Blind if blind else Symlog
    return SAC(env=env, seed=seed, **{"ent_coef": 0.01, **_off_policy(env, "SAC", settings, extractor)})


def td3(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, **settings: Any) -> TD3:
    """TD3 on RegTune-v0; it explores with noise of a tenth of the actions' box.

    Args:
        env: RegTune-v0.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `stable_baselines3.TD3`, in place of the defaults here.
    """
    # In Stable-Baselines3's units, where the box is [-1, 1].
    size = bounded_box(env, "TD3").shape
    noise = NormalActionNoise(np.zeros(size), np.full(size, 0.2))
    return TD3(env=env, seed=seed, **{"action_noise": noise, **_off_policy(env, "TD3", settings, Symlog)})


def _off_policy(
    env: gym.Env[Any, Any] | VecEnv, agent: str, settings: dict[str, Any], extractor: type[FlattenExtractor]
) -> dict[str, Any]:
    """Keywords of SAC and TD3: four episodes at random, then ten gradient steps a chunk.

    A chunk, tens of gradient steps of an image network, costs far more, and there are only hundreds to learn from.
    """
    bounded_box(env, agent)
    return {
        "policy": "MlpPolicy",
        "buffer_size": _MEMORY,
        "learning_rate": 1e-3,
        "batch_size": 64,
        "gradient_steps": 10,
        "gamma": 0.995,
        "learning_starts": 4 * _needed_length(env, agent, "chunks"),
        "device": "cpu",
        **settings,
        "policy_kwargs": {
            "features_extractor_class": extractor,
            "net_arch": [64, 64],
            **(settings.get("policy_kwargs") or {}),
        },
    }


def _needed_length(env: gym.Env[Any, Any] | VecEnv, agent: str, name: str) -> int:
    length = episode_length(env, name)
    if length is None:
        task = "ImageSelect-v0" if name == "num_images" else "RegTune-v0"
        raise UsageError(f"env: it has no attribute `{name}`, the length of an episode; {agent} here is for {task}")
    return length
