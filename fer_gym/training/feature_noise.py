"""Noise on a network's activations: the sites where it is added, and DNI, whose strength is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_gym.checks import check_choice
from fer_gym.errors import UsageError
from fer_gym.training.generators import DrawsNoise, standard_normal
from fer_gym.training.networks import NETWORKS, NetworkFactory

#: From an activation z, (B, C, ...), to noise of z's shape in units of the normalised activation; None adds nothing.
Noise = Callable[[Tensor], Tensor | None]


@dataclass(frozen=True)
class Site:
    """A place before a ReLU where noise is added in training.

    In a network with batch norm it is the output of a batch norm, as in DNI's unit relu(bn(x) + noise). In another
    network it is the input of an `nn.ReLU`, and the noise is in units of that input's standard deviation per channel
    over the batch.
    """

    module: nn.Module

    def add(self, noise: Noise) -> None:
        """Add `noise` here in each training forward pass."""

        def before_relu(module: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
            eps = noise(inputs[0]) if module.training else None
            return None if eps is None else torch.addcmul(inputs[0], eps, _deviation(inputs[0]))

        def after_norm(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
            eps = noise(output) if module.training else None
            return None if eps is None else output + eps

        if isinstance(self.module, nn.ReLU):
            self.module.register_forward_pre_hook(before_relu)
        else:
            self.module.register_forward_hook(after_norm)

    @property
    def channels(self) -> int:
        """C of the activation.

        Raises:
            ValueError: without batch norm, where only the activation shows the number of channels.
        """
        if isinstance(self.module, nn.ReLU):
            raise UsageError("per_channel: True needs a network with batch norm; use False, a strength for each layer")
        channels: int = self.module.num_features  # type: ignore[assignment]
        return channels


def sites(network: nn.Module) -> list[Site]:
    """The noise sites of a network, in its modules' order.

    Raises:
        ValueError: if it has neither batch norm nor an `nn.ReLU`.
    """
    kinds: tuple[type[nn.Module], ...]
    for kinds in ((nn.BatchNorm1d, nn.BatchNorm2d), (nn.ReLU,)):
        found = [Site(module) for module in network.modules() if isinstance(module, kinds)]
        if found:
            return found
    raise UsageError("regularizers: 'feature_noise' finds no site in this network, neither batch norm nor an nn.ReLU")


def _deviation(z: Tensor) -> Tensor:
    """(B, C, ...) to its standard deviation per channel, (1, C, ...), outside of the gradient."""
    dims = [0, *range(2, z.ndim)]
    return z.detach().float().std(dim=dims, correction=0, keepdim=True).to(z.dtype)


class DynamicNoise(DrawsNoise):
    """softplus(rho)·eps with eps ~ N(0, 1); rho is trained with the weights, by the training loss.

    Args:
        channels: C for one rho per channel, or 1 for one rho per layer.
    """

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((channels,), _softplus_inverse(0.1)))
        self.rho.decays = False  # type: ignore[attr-defined]  # decay would pull the noise to log 2, not to nothing

    def forward(self, z: Tensor) -> Tensor:
        """The noise for `z`, (B, C, ...)."""
        strength = F.softplus(self.rho).to(z.dtype).view(1, -1, *[1] * (z.ndim - 2))
        return strength * standard_normal(z, self.generator)


class PeriodicNoise(DrawsNoise):
    """sigma·eps with eps ~ N(0, 1) in every `period`-th training step, beginning with the first.

    Args:
        sigma: in units of the normalised activation.
        period: in training steps.
        steps: counts the training steps of the network.
    """

    def __init__(self, sigma: float, period: int, steps: _Steps) -> None:
        super().__init__()
        self.sigma = sigma
        self.period = period
        self.steps = steps

    def forward(self, z: Tensor) -> Tensor:
        """The noise for `z`, (B, C, ...): zeros in all other steps."""
        strength = (self.sigma * (self.steps.taken % self.period == 0)).to(z.dtype)
        return strength * standard_normal(z, self.generator)


class _Steps(nn.Module):
    """Counts the training steps of a network: one a forward pass, however often a site is used in it."""

    taken: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("taken", torch.zeros((), dtype=torch.int64))
        network.register_forward_hook(self._count)

    def _count(self, network: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if network.training:
            self.taken += 1


@dataclass(frozen=True)
class Dni:
    """A network with dynamic noise injection at its noise sites: pass it as `network=`.

    DNI (reconstruction): Hong & Jeong (CVPRW 2023) train the strength of a noise in the unit relu(bn(x) + noise) by
    gradient descent on the training loss. Granularity, start and evaluation are not in our source; here there is one
    strength per layer or channel, it starts at 0.1, and nothing is added in evaluation mode.

    Attributes:
        network: a name in `NETWORKS`, whose dropout is then off, or a factory.
        per_channel: a strength for each channel; needs batch norm.
    """

    network: str | NetworkFactory = "resnet34"
    per_channel: bool = False

    def __call__(self, channels: int, classes: int, image_size: int) -> nn.Module:
        """Build the network."""
        network = _without_dropout(self.network, channels, classes, image_size)
        return _with_noise(network, lambda site: DynamicNoise(site.channels if self.per_channel else 1))


@dataclass(frozen=True)
class Periodic:
    """A network with noise at its noise sites in every `period`-th training step: pass it as `network=`.

    Periodic DNI (reconstruction): the source says that the interval is searched, and no more.

    Attributes:
        network: a name in `NETWORKS`, whose dropout is then off, or a factory.
        sigma: in units of the normalised activation.
        period: in training steps.
    """

    network: str | NetworkFactory = "resnet34"
    sigma: float = 0.1
    period: int = 2

    def __call__(self, channels: int, classes: int, image_size: int) -> nn.Module:
        """Build the network."""
        network = _without_dropout(self.network, channels, classes, image_size)
        steps = _Steps(network)
        return _with_noise(network, lambda site: PeriodicNoise(self.sigma, self.period, steps))


def _without_dropout(network: str | NetworkFactory, *shape: int) -> nn.Module:
    if callable(network):
        return network(*shape)
    check_choice("network", network, NETWORKS, or_else="a factory")
    return NETWORKS[network](*shape, dropout=0.0)  # type: ignore[call-arg]


def _with_noise(network: nn.Module, make: Callable[[Site], nn.Module]) -> nn.Module:
    for site in sites(network):
        layer = make(site)
        # Beside the site, not at the network's top: an nn.Sequential would run it as one layer more.
        site.module.add_module("noise", layer)
        site.add(layer)
    return network


def _softplus_inverse(value: float) -> float:
    return math.log(math.expm1(value))
