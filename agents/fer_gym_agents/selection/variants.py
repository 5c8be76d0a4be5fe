"""Variants of REINFORCE for ImageSelect-v0: without the running mean, and Feng's sigmoid selector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from fer_gym_agents.selection.reinforce import ONE_STEP_A_WALK, Reinforce, SelectorPolicy
from fer_gym_agents.selection.selection_env import image_select


class FeaturePolicy(SelectorPolicy):
    """`SelectorPolicy` with zeros in place of the mean feature of the images retained so far.

    Its decision on an image does not depend on the images before: a contextual bandit.

    Args:
        observation_space: as of `SelectorPolicy`.
        action_space: `Discrete(2)`.
        lr_schedule: as of `SelectorPolicy`.
        feature_width: D; the mean is the D numbers after the first D of an observation.
        hidden: the widths of the four hidden layers.
        use_sde: as Stable-Baselines3 passes it; not supported.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        feature_width: int,
        hidden: Sequence[int] = (128, 128, 64, 64),
        use_sde: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space, lr_schedule, hidden, use_sde)
        self._mean = slice(feature_width, 2 * feature_width)

    def logits(self, observations: PyTorchObs) -> Tensor:
        """(B, ...) to (B,): the log-odds of retaining."""
        assert isinstance(observations, Tensor)
        seen = observations.clone()
        seen[:, self._mean] = 0
        return super().logits(seen)

    def sampler(self) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
        """A function that samples actions (B,) for observations (B, ...), by the weights as they are now."""
        act = super().sampler()

        def act_on_feature(observations: NDArray[np.float32]) -> NDArray[np.int64]:
            seen = observations.copy()
            seen[:, self._mean] = 0
            return act(seen)

        return act_on_feature


def bandit(env: gym.Env[Any, Any], seed: int | None = None, **settings: Any) -> Reinforce:
    """`Reinforce` without the running mean: the difference from `Reinforce` is what the mean contributes.

    Args:
        env: ImageSelect-v0.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `Reinforce` but `policy`.

    Raises:
        ValueError: if `env` is not ImageSelect-v0, or as `Reinforce`.
    """
    policy_kwargs = {
        **(settings.pop("policy_kwargs", None) or {}),
        "feature_width": image_select(env, "bandit").run.width,
    }
    return Reinforce(env, policy=FeaturePolicy, seed=seed, policy_kwargs=policy_kwargs, **settings)


def sigmoid_selector(env: gym.Env[Any, Any], seed: int | None = None, **settings: Any) -> Reinforce:
    """Feng et al.'s (2018) selector, a baseline of RLPS: one layer and a sigmoid, plain REINFORCE.

    For an environment with `reward="log_likelihood"`: the reward of every step is the mean log-likelihood of the
    retained images. There is no entropy bonus and no reward baseline, so the gradient is the vanilla one: under the
    natural one, a reward that is always negative would keep every probability at 1/2. A walk gives one gradient step,
    see `Reinforce`.

    Args:
        env: ImageSelect-v0.
        seed: of the agent and of its environment's first reset.
        settings: any keyword of `Reinforce`, in place of the defaults here.

    Raises:
        ValueError: as `Reinforce`.
    """
    return Reinforce(env, seed=seed, **{**ONE_STEP_A_WALK, "policy_kwargs": {"hidden": ()}, **settings})
