"""Policies and feature extractors for Stable-Baselines3's algorithms: actions in the units of their Box."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import Tensor, nn

LAYER_NORM_EPS = 1e-5
#: Of a one-hot label beside features of size 1.
LABEL_SIZE = 4.0


class Symlog(FlattenExtractor):
    """Flattened observations x as `sign(x) log(1 + |x|)`.

    RegTune-v0's losses lie between 0.01 and 2 while a network learns, and reach 10 ln C where it diverges. The function
    leaves small losses nearly as they are and brings large ones near, for any number of classes. Its scale is fixed:
    running statistics would hide that the losses fall, and would not settle within tens of episodes.
    """

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B, N)."""
        flat: Tensor = super().forward(observations)
        return flat.sign() * flat.abs().log1p()


class Normalised(FlattenExtractor):
    """Flattened observations, the features of each with mean 0 and variance 1 (layer normalisation without parameters).

    The features of ImageSelect-v0 grow as the network trains, and the policy must mean the same by them in the next
    episode. A one-hot label after them is multiplied by `LABEL_SIZE`: one number among hundreds would be learnt late.

    Args:
        observation_space: a flat Box. The label is its last entries between 0 and 1, if there are others before them.
    """

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        low, high = observation_space.low.ravel(), observation_space.high.ravel()
        others = np.flatnonzero((low != 0) | (high != 1))
        #: How many entries of an observation are features.
        self.features = int(others[-1]) + 1 if len(others) else len(low)

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B, N)."""
        flat: Tensor = super().forward(observations)
        features, label = flat[:, : self.features], flat[:, self.features :]
        normal = nn.functional.layer_norm(features, features.shape[1:], eps=LAYER_NORM_EPS)
        return torch.cat((normal, LABEL_SIZE * label), dim=1)


class Blind(FlattenExtractor):
    """Zeros in place of every observation: a policy on top of them cannot use the state."""

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B, N)."""
        return torch.zeros_like(super().forward(observations))


class BoxPolicy(ActorCriticPolicy):
    """An MLP policy whose networks see a Box of actions as [-1, 1], and whose actions are in the Box's own units.

    With m and s the mean and standard deviation that Stable-Baselines3's policy computes, the actions' are
    `middle + half_width * m` and `half_width * s`. That is the policy of an environment wrapped in
    `RescaleAction(-1, 1)`: PPO's probability ratios are the same, log-probabilities and entropy differ by a constant.
    But the actions that are stored, sent to the environment and predicted are all in its own units, so no wrapper is
    needed. Actions outside the Box are clipped to it, as Stable-Baselines3 does. Other action spaces are left alone.
    """

    middle: Tensor
    half_width: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.action_space, spaces.Box):
            low, high = (
                torch.as_tensor(bound, dtype=torch.float32).flatten()
                for bound in (self.action_space.low, self.action_space.high)
            )
            self.register_buffer("middle", (low + high) / 2)
            self.register_buffer("half_width", (high - low) / 2)

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Distribution:
        distribution = super()._get_action_dist_from_latent(latent_pi)
        if isinstance(distribution, DiagGaussianDistribution):
            unit = distribution.distribution
            distribution.distribution = torch.distributions.Normal(
                self.middle + self.half_width * unit.loc, self.half_width * unit.scale
            )
        return distribution
