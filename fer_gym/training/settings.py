"""How a network is built and trained, checked before a device is touched."""

from __future__ import annotations

import dataclasses
import functools
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from fer_gym.checks import check_choice, check_count, check_number
from fer_gym.data.splits import Splits
from fer_gym.description import description
from fer_gym.errors import UsageError
from fer_gym.training import features, hardware
from fer_gym.training.augmentation import Augmentation
from fer_gym.training.generators import DrawsFrom, global_generators_restored
from fer_gym.training.networks import NETWORKS, NetworkFactory
from fer_gym.training.optimizers import OPTIMIZERS
from fer_gym.training.version import VERSION

# Reading all images of a large data set takes seconds.
_fingerprints: WeakKeyDictionary[Splits, str] = WeakKeyDictionary()


#: Images of a gradient step, at most: a larger batch would hang, and then run out of memory.
MOST_IN_A_BATCH = 1 << 16


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
        augment: what is done to the images of a training batch.

    Raises:
        ValueError: naming the keyword and what is allowed.
    """

    network: str | NetworkFactory = "small"
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    precision: str = "auto"
    device: str = "auto"
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check what can be checked without touching a device."""
        if not callable(self.network):
            factory = "a factory f(channels, classes, image_size) -> nn.Module"
            check_choice("network", self.network, NETWORKS, or_else=factory)
        check_count("batch_size", self.batch_size, least=1, most=MOST_IN_A_BATCH)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_number("learning_rate", self.learning_rate, "(0, inf)")
        check_choice("precision", self.precision, hardware.PRECISIONS)
        # PyTorch does not take NumPy's numbers everywhere.
        object.__setattr__(self, "batch_size", int(self.batch_size))
        object.__setattr__(self, "learning_rate", float(self.learning_rate))

    @property
    def factory(self) -> NetworkFactory:
        """What makes the network."""
        return NETWORKS[self.network] if isinstance(self.network, str) else self.network


def made_for(splits: Splits, settings: TrainerSettings) -> dict[str, Any]:
    """All that decides the future of a saved training run, as JSON values: data, network and how it is trained.

    A factory that is a dataclass is described with its fields, another object by its class: it may count its calls.
    """
    if splits not in _fingerprints:
        _fingerprints[splits] = splits.fingerprint()
    network, device = settings.network, hardware.resolve_device(settings.device)
    plain = isinstance(network, str | functools.partial) or dataclasses.is_dataclass(network)
    return {
        "data": _fingerprints[splits],
        "training": VERSION,
        "network": description(network if plain or hasattr(network, "__qualname__") else type(network)),
        "batch_size": settings.batch_size,
        "optimizer": settings.optimizer,
        "learning_rate": settings.learning_rate,
        "augment": dataclasses.asdict(settings.augment),
        "precision": "bf16" if hardware.uses_bf16(settings.precision, device) else "fp32",
        "device": device.type,
    }


def feature_width(settings: TrainerSettings, splits: Splits) -> int:
    """D, the width of the feature, without a trainer. The networks of this package know theirs."""
    if isinstance(settings.network, str):
        width: int = settings.factory.feature_width  # type: ignore[attr-defined]
        return width
    # One thread, so that making an environment starts no thread pool in a process that may be forked later. Only in the
    # main thread: the number is the process's, and a thread that begins meanwhile would keep it.
    threads = torch.get_num_threads()
    alone = threading.current_thread() is threading.main_thread()
    if alone:
        torch.set_num_threads(1)
    try:
        network = build_network(settings.factory, splits, seed=0)
        return features.probe(network, splits.image_shape, len(splits.classes))
    finally:
        if alone:
            torch.set_num_threads(threads)


def build_network(factory: NetworkFactory, splits: Splits, seed: int) -> nn.Module:
    """The network of a factory for some data, its weights drawn under a seed.

    The networks of this package touch no global generator. A user's factory may draw from any: they are put back.

    Raises:
        ValueError: if the images are not square, or the factory does not return a network for them that can be trained.
    """
    channels, height, width = splits.image_shape
    if height != width:
        raise UsageError(f"dataset: images of {height}x{width}; the networks take square ones, so resize them")
    ours = factory in NETWORKS.values()
    with DrawsFrom(torch.Generator().manual_seed(seed)), nullcontext() if ours else global_generators_restored(seed):
        try:
            network = factory(channels, len(splits.classes), height)
        except TypeError as error:
            raise UsageError(f"network: the factory f(channels, classes, image_size) failed: {error}") from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"network: the factory returned {type(network).__name__}, expected an nn.Module")
    features.check_parameters(network)
    return network
