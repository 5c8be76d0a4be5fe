"""Stable-Baselines3's on-policy algorithms as selectors of ImageSelect-v0: paid by credits, and able to rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import MaybeCallback
from torch import Tensor

from fer_gym_agents.sb3.credit import with_credits


class Walker(OnPolicyAlgorithm):
    """What makes an on-policy algorithm a selector: it learns from `SampleCredits`, and tells keep probabilities."""

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        return super()._init_callback(with_credits(callback), progress_bar)

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """pi(a = 1), float32 (N,), of the observations (N, ...) of a walk, in its order."""
        self.policy.set_training_mode(False)
        tensor, _ = self.policy.obs_to_tensor(observations)
        assert isinstance(tensor, Tensor)
        with torch.no_grad():
            distribution = self._distribution(tensor)
        assert isinstance(distribution, CategoricalDistribution)
        kept: NDArray[np.float32] = distribution.distribution.probs[:, 1].cpu().numpy()
        return kept

    def _distribution(self, observations: Tensor) -> Distribution:
        return self.policy.get_distribution(observations)


class WalkerPPO(Walker, PPO):
    """PPO on credits."""


class WalkerA2C(Walker, A2C):
    """A2C on credits."""


def walk_settings(num_images: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The keywords of an on-policy algorithm: a rollout is a walk of N images, and no credit is discounted."""
    return {
        "policy": "MlpPolicy",
        "n_steps": num_images,
        "gamma": 0.0,
        "gae_lambda": 0.0,
        "device": "cpu",
        **settings,
    }


def minibatch(size: int, at_most: int = 128) -> int:
    """The largest batch up to `at_most` that divides a rollout of `size`; all of it where that is under 16."""
    divisor = max(candidate for candidate in range(1, at_most + 1) if size % candidate == 0)
    return divisor if divisor >= 16 else size
