"""How a network is built and trained, checked before a device is touched."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fer_gym.data.splits import Splits
from fer_gym.errors import UsageError
from fer_gym.training import features, hardware
from fer_gym.training.generators import global_generators_restored
from fer_gym.training.networks import NETWORKS, NetworkFactory
from fer_gym.training.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class TrainerSettings:
    """How the network is built and trained.

    Attributes:
        network: a name in `NETWORKS`, or a factory f(channels, classes, image_size) -> nn.Module.
        batch_size: images per gradient step.
        optimizer: "adam", or "sgd" (momentum 0.9).
        learning_rate: of the optimiser, constant.
        precision: "auto", "fp32" or "bf16" (autocast; the weights stay fp32).
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: naming the keyword and what is allowed.
    """

    network: str | NetworkFactory = "small"
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check what can be checked without touching a device."""
        if not callable(self.network) and not (isinstance(self.network, str) and self.network in NETWORKS):
            raise UsageError(
                f"network: {self.network!r} is unknown; use one of {', '.join(NETWORKS)}, or a factory "
                "f(channels, classes, image_size) -> nn.Module"
            )
        whole = isinstance(self.batch_size, int | np.integer) and not isinstance(self.batch_size, bool)
        if not whole or self.batch_size < 1:
            raise UsageError(f"batch_size: {self.batch_size!r} is not allowed; use a whole number of at least 1")
        if self.optimizer not in OPTIMIZERS:
            raise UsageError(f"optimizer: {self.optimizer!r} is unknown; use one of {', '.join(OPTIMIZERS)}")
        if not (isinstance(self.learning_rate, int | float | np.number) and 0 < self.learning_rate < math.inf):
            raise UsageError(f"learning_rate: {self.learning_rate!r} is not allowed; use a positive number")
        if self.precision not in hardware.PRECISIONS:
            raise UsageError(f"precision: {self.precision!r} is unknown; use one of {', '.join(hardware.PRECISIONS)}")

    @property
    def factory(self) -> NetworkFactory:
        """What makes the network."""
        return NETWORKS[self.network] if isinstance(self.network, str) else self.network


def feature_width(settings: TrainerSettings, splits: Splits) -> int:
    """D, the width of the feature, without a trainer. The networks of this package know theirs."""
    if isinstance(settings.network, str):
        width: int = settings.factory.feature_width  # type: ignore[attr-defined]
        return width
    # One thread, so that making an environment starts no thread pool in a process that may be forked later.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = build_network(settings.factory, splits, seed=0)
        return features.probe(network, splits.image_shape, len(splits.classes))
    finally:
        torch.set_num_threads(threads)


def build_network(factory: NetworkFactory, splits: Splits, seed: int) -> nn.Module:
    """The network of a factory for some data, its weights drawn under a seed; the global generators are put back.

    Raises:
        ValueError: if the images are not square, or the factory does not return a network for them.
    """
    channels, height, width = splits.image_shape
    if height != width:
        raise UsageError(f"dataset: images of {height}x{width}; the networks take square ones, so resize them")
    with global_generators_restored(seed):
        try:
            network = factory(channels, len(splits.classes), height)
        except TypeError as error:
            raise UsageError(f"network: the factory f(channels, classes, image_size) failed: {error}") from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"network: the factory returned {type(network).__name__}, expected an nn.Module")
    return network
