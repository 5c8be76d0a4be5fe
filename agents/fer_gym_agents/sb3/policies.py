"""Policies and feature extractors for Stable-Baselines3's algorithms: actions in the units of their Box."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import Tensor, nn

from fer_gym.errors import UsageError

LAYER_NORM_EPS = 1e-5


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


class PerClass(FlattenExtractor):
    """Hidden layers over the features of an image, and a copy of their output for each class.

    With h (H,) the output of the layers and a constant 1, and y (C,) the one-hot label, the extractor gives `h y^T`,
    (H C,). One linear layer on top is then one output for each class, of which the label picks its own. Whether an
    image looks like its label is another question for each class; with the label as one number among hundreds of
    inputs, the layers would first have to learn that the label selects the question. Without one the extractor gives h.

    Features are normalised first (layer normalisation without parameters): those of ImageSelect-v0 grow as the network
    trains, and the policy must mean the same by them in the next episode.

    Args:
        observation_space: a flat Box. The label is its last entries between 0 and 1, if there are others before them.
        hidden: the widths of the layers.
    """

    def __init__(self, observation_space: spaces.Box, hidden: Sequence[int] = (128, 128, 64, 64)) -> None:
        super().__init__(observation_space)
        low, high = observation_space.low.ravel(), observation_space.high.ravel()
        others = np.flatnonzero((low != 0) | (high != 1))
        #: How many entries of an observation are features.
        self.features = int(others[-1]) + 1 if len(others) else len(low)
        self.classes = len(low) - self.features
        widths = [self.features, *hidden]
        #: Of `hidden`'s output.
        self.width = widths[-1]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self._features_dim = (self.width + 1) * max(self.classes, 1)

    def hidden(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the layers, (B, width), and the labels, (B, C), of observations (B, ...)."""
        flat: Tensor = super().forward(observations)
        features, label = flat[:, : self.features], flat[:, self.features :]
        return self.layers(nn.functional.layer_norm(features, features.shape[1:], eps=LAYER_NORM_EPS)), label

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) to (B, H C)."""
        hidden, label = self.hidden(observations)
        hidden = nn.functional.pad(hidden, (0, 1), value=1.0)
        return (hidden[:, :, None] * label[:, None, :]).flatten(1) if self.classes else hidden


#: `policy_kwargs` of a policy on `PerClass`, which has the layers; actor and critic are a linear layer each on one of
#: their own.
PER_CLASS = {"features_extractor_class": PerClass, "net_arch": [], "share_features_extractor": False}


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

    Raises:
        ValueError: if `use_sde` is set.
    """

    middle: Tensor
    half_width: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.use_sde:
            raise UsageError("use_sde: True is not allowed; the policy scales its own Gaussian to the actions' box")
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
