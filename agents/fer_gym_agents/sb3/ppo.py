"""Stable-Baselines3's PPO for both tasks, and its recurrent form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from fer_gym.errors import UsageError
from fer_gym_agents.base import bounded_box, episode_length
from fer_gym_agents.sb3.credit_algorithms import CreditPPO, batch_size_for, walk_settings, without_batch_warning
from fer_gym_agents.sb3.policies import PER_CLASS, Blind, BoxPolicy, Symlog
from fer_gym_agents.sb3.time_baseline import TimeBaselinePPO

if TYPE_CHECKING:
    from sb3_contrib import RecurrentPPO


def ppo(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, blind: bool = False, **settings: Any) -> PPO:
    """Stable-Baselines3's PPO: `CreditPPO` in ImageSelect-v0; in RegTune-v0 with Hong's clip range and discount.

    In ImageSelect-v0 it is `CreditPPO`, whose advantages are the images' credits: a rollout is a walk, nothing is
    discounted, batches of 64, ten epochs at a learning rate of 1e-3, an entropy bonus of .08, and frozen walks as
    `FrozenWalks` has them. The rest is about RegTune-v0, where the clip range is 0.2 and the discount 0.995.

    Settings that the paper does not state are chosen for a training of some 40 episodes: a rollout is two episodes, one
    batch, ten epochs at a learning rate of 1e-3. Generalised advantages have the time within the episode for a
    baseline; `TimeBaseline` says why. Lambda = 0.8 is then a second discount: an action is credited with the rewards
    of some five steps, which so few episodes can resolve; `gae_lambda=1.0` leaves only the paper's discount. The
    standard deviation begins at a third of the Box's width: with Stable-Baselines3's half of it every third draw would
    be clipped to a bound, and nothing would keep the mean inside.

    The agent takes `env` as it is, its actions not normalised to [-1, 1], and `predict` returns actions in the units of
    `env`: its policy does the scaling, see `BoxPolicy`, so `save`, `PPO.load` and `set_env` need to know nothing of it.

    Args:
        env: the environment, or several of them as a `VecEnv`: the rollout is then two episodes of each.
        seed: of the agent and of its environment's first reset.
        blind: give the policy zeros in place of its observations, to measure whether it uses them.
        settings: any keyword of `stable_baselines3.PPO`, in place of the defaults here; `policy_kwargs` are added to
            them.

    Raises:
        ValueError: if the actions are a Box without finite bounds, `use_sde` is set, or `n_steps` is missing for an
            environment that has no `chunks`.
    """
    if images := episode_length(env, "num_images"):
        policy_kwargs = {"features_extractor_class": Blind} if blind else PER_CLASS
        return without_batch_warning(
            CreditPPO, env=env, seed=seed, **_of_a_walk(env, images, settings, **policy_kwargs)
        )
    extractor = Blind if blind else Symlog
    return TimeBaselinePPO(
        env=env, seed=seed, **_with_defaults(env, settings, BoxPolicy, features_extractor_class=extractor)
    )


def recurrent_ppo(env: gym.Env[Any, Any] | VecEnv, seed: int | None = None, **settings: Any) -> RecurrentPPO:
    """`ppo` with an LSTM before actor and critic: sb3-contrib's RecurrentPPO.

    Args:
        env: the environment.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `sb3_contrib.RecurrentPPO`, as for `ppo`.

    Raises:
        ImportError: if sb3-contrib is not installed.
        ValueError: as `ppo`.
    """
    try:
        from fer_gym_agents.sb3.recurrent import BoxLstmPolicy, CreditRecurrentPPO, TimeBaselineRecurrentPPO
    except ImportError as error:
        raise ImportError("recurrent_ppo needs sb3-contrib: pip install 'fer-gym[agents]'") from error
    if images := episode_length(env, "num_images"):
        keywords = _of_a_walk(env, images, {"policy": "MlpLstmPolicy", **settings}, lstm_hidden_size=64)
        return without_batch_warning(CreditRecurrentPPO, env=env, seed=seed, **keywords)
    # An LSTM as wide as the layers that follow it: the library's 256 units take most of a training's time.
    keywords = _with_defaults(env, settings, BoxLstmPolicy, features_extractor_class=Symlog, lstm_hidden_size=64)
    return TimeBaselineRecurrentPPO(env=env, seed=seed, **keywords)


def _of_a_walk(
    env: gym.Env[Any, Any] | VecEnv, images: int, settings: dict[str, Any], **policy_kwargs: Any
) -> dict[str, Any]:
    """The keywords of PPO on ImageSelect-v0, in a walk of so many images."""
    rollout = settings.get("n_steps", images) * getattr(env, "num_envs", 1)
    defaults: dict[str, Any] = {
        "learning_rate": 1e-3,
        "n_epochs": 10,
        "ent_coef": 0.08,
        "normalize_advantage": False,
        "batch_size": batch_size_for(rollout),
    }
    policy_kwargs |= settings.get("policy_kwargs") or {}
    return walk_settings(images, {**defaults, **settings, "policy_kwargs": policy_kwargs})


def _with_defaults(
    env: gym.Env[Any, Any] | VecEnv, settings: dict[str, Any], policy: type[ActorCriticPolicy], **policy_kwargs: Any
) -> dict[str, Any]:
    """The keywords of PPO: `settings`, and the defaults of this module for what they leave open."""
    if isinstance(env.action_space, spaces.Box):
        bounded_box(env, "PPO")
    n_steps = settings.get("n_steps")
    if n_steps is None:
        chunks = episode_length(env, "chunks")
        if chunks is None:
            raise UsageError("n_steps: the environment has no attribute `chunks`; give the steps of a rollout")
        n_steps = 2 * chunks
    return {
        "policy": policy,
        "batch_size": n_steps * getattr(env, "num_envs", 1),
        "n_epochs": 10,
        "learning_rate": 1e-3,
        "gamma": 0.995,
        "gae_lambda": 0.8,
        "clip_range": 0.2,
        "device": "cpu",  # the networks are small
        **settings,
        "n_steps": n_steps,
        "policy_kwargs": {
            "log_std_init": -0.4,
            **policy_kwargs,
            **(settings.get("policy_kwargs") or {}),
        },
    }
