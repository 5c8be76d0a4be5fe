"""The training loop. Both environments are thin decision processes over it."""

from __future__ import annotations

import hashlib
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_gym.data.splits import Split, Splits
from fer_gym.training import features, hardware
from fer_gym.training.generators import draw_dropout_from, global_generators_restored
from fer_gym.training.metrics import confusion_matrix, scores
from fer_gym.training.networks import NETWORKS, NetworkFactory

OPTIMIZERS = ("adam", "sgd")
# Evaluation is not trained, so its batch is free: large enough to be fast, small enough to stay in the cache.
_EVALUATION_BATCH = 256


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
            raise ValueError(
                f"network: {self.network!r} is unknown; use one of {', '.join(NETWORKS)}, or a factory "
                "f(channels, classes, image_size) -> nn.Module"
            )
        whole = isinstance(self.batch_size, int | np.integer) and not isinstance(self.batch_size, bool)
        if not whole or self.batch_size < 1:
            raise ValueError(f"batch_size: {self.batch_size!r} is not allowed; use a whole number of at least 1")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: {self.optimizer!r} is unknown; use one of {', '.join(OPTIMIZERS)}")
        if not (isinstance(self.learning_rate, int | float | np.number) and 0 < self.learning_rate < math.inf):
            raise ValueError(f"learning_rate: {self.learning_rate!r} is not allowed; use a positive number")
        if self.precision not in hardware.PRECISIONS:
            raise ValueError(f"precision: {self.precision!r} is unknown; use one of {', '.join(hardware.PRECISIONS)}")

    @property
    def factory(self) -> NetworkFactory:
        """What makes the network."""
        return NETWORKS[self.network] if isinstance(self.network, str) else self.network


@dataclass(frozen=True)
class Outputs:
    """What one evaluation pass over a split yields, in the split's order.

    Attributes:
        features: float32, (N, D), finite.
        probabilities: float32, (N, C); uniform for an image whose logits are not finite.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def feature_width(settings: TrainerSettings, splits: Splits) -> int:
    """D, the width of the feature, without a trainer. The networks of this package know theirs."""
    if isinstance(settings.network, str):
        width: int = settings.factory.feature_width  # type: ignore[attr-defined]
        return width
    # One thread: forking a process after a multi-threaded operation would hang it (AsyncVectorEnv does fork).
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = _build(settings.factory, splits, seed=0)
        return features.probe(network, splits.image_shape, len(splits.classes))
    finally:
        torch.set_num_threads(threads)


def _build(factory: NetworkFactory, splits: Splits, seed: int) -> nn.Module:
    channels, height, width = splits.image_shape
    if height != width:
        raise ValueError(f"dataset: images of {height}x{width}; the networks take square ones, so resize them")
    with global_generators_restored(seed):
        try:
            network = factory(channels, len(splits.classes), height)
        except TypeError as error:
            raise ValueError(f"network: the factory f(channels, classes, image_size) failed: {error}") from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"network: the factory returned {type(network).__name__}, expected an nn.Module")
    return network


class Trainer:
    """A network with its optimiser, its sampler and its generators: one state, which can be copied and put back.

    All draws come from generators of the trainer's own: initial weights, batch order, dropout. On CPU the same
    seed, precision and thread count give the same bits.

    Args:
        splits: the data. Images stay uint8, on the device (CUDA) or in the memory map (CPU).
        settings: how to build and train the network.

    Raises:
        ValueError: if a setting is not allowed here or the network does not fit the data.
    """

    def __init__(self, splits: Splits, settings: TrainerSettings) -> None:
        self.splits = splits
        self.settings = settings
        self.device = hardware.resolve_device(settings.device)
        self.bf16 = hardware.uses_bf16(settings.precision, self.device)
        self._images = {name: _Images(getattr(splits, name), self.device) for name in ("train", "val", "test")}
        mean, std = _mean_and_std(splits.train.pixels)
        self._mean = torch.from_numpy(mean).view(1, -1, 1, 1).to(self.device)
        self._inverse_std = torch.from_numpy(1 / std).view(1, -1, 1, 1).to(self.device)
        self._order_generator = torch.Generator()
        self._noise_generator = torch.Generator(self.device)
        self.initialise(0)
        features.probe(self.network, splits.image_shape, len(splits.classes))

    def initialise(self, seed: int) -> None:
        """Start afresh from `seed`: new weights, a new optimiser, generators at their beginning."""
        weights, order, noise = (int(s) for s in np.random.SeedSequence(seed).generate_state(3, np.uint32))
        network = _build(self.settings.factory, self.splits, weights)
        if network is getattr(self, "network", None):
            raise ValueError("network: the factory returned the same module twice; let it build a new one each time")
        self.network = network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._order_generator.manual_seed(order)
        self._noise_generator.manual_seed(noise)
        draw_dropout_from(self.network, self._noise_generator)
        self._extract = features.extractor(self.network)
        self._optimizer = _optimizer(self.settings, self.network)

    def all_images(self) -> NDArray[np.int64]:
        """The indices of every training image."""
        return np.arange(len(self.splits.train))

    def train_epochs(self, subset: NDArray[np.int64], epochs: int) -> None:
        """Train on the training images at `subset`, each once an epoch, in an order drawn anew.

        Args:
            subset: int64, (n,), indices into the training split; empty trains nothing.
            epochs: how many times.
        """
        indices = torch.from_numpy(np.ascontiguousarray(subset))
        self.network.train()
        if not len(indices):
            return
        for _ in range(epochs):
            order = torch.randperm(len(indices), generator=self._order_generator)
            with self._global_generators_ours(self._order_generator):
                for batch in indices[order].split(self.settings.batch_size):
                    self._step(batch)

    def _step(self, batch: Tensor) -> None:
        """One gradient step on the cross-entropy (Eq. 5 of RLPS)."""
        if len(batch) == 1:
            # Batch norm needs two images to train on; the mean loss of an image twice is the image's loss.
            batch = batch.repeat(2)
        pixels, labels = self._images["train"].batch(batch)
        self._optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            logits = self.network(self._standardise(pixels))
        F.cross_entropy(logits.float(), labels).backward()
        self._optimizer.step()

    def outputs(self, split: str) -> Outputs:
        """Features and class probabilities of every image of "train", "val" or "test", in one pass."""
        parts = [(features.float(), logits.float()) for features, logits in self._evaluation_pass(split)]
        hidden = torch.cat([part[0] for part in parts])
        # A diverged network knows nothing: uniform probabilities, features of zero.
        logits = torch.cat([part[1] for part in parts])
        logits = torch.where(logits.isfinite().all(dim=1, keepdim=True), logits, 0.0)
        hidden = hidden.nan_to_num(0.0, 0.0, 0.0)
        return Outputs(hidden.cpu().numpy(), logits.softmax(dim=1).cpu().numpy())

    def confusion(self, split: str) -> NDArray[np.int64]:
        """The confusion matrix (C, C) of "train", "val" or "test" against the labels given."""
        predictions = torch.cat([logits.argmax(dim=1) for _, logits in self._evaluation_pass(split)])
        labels = getattr(self.splits, split).labels
        return confusion_matrix(labels, predictions.cpu().numpy(), len(self.splits.classes))

    def evaluate(self, split: str) -> dict[str, float]:
        """The `scores` of a whole split, in evaluation mode."""
        return scores(self.confusion(split))

    def _evaluation_pass(self, split: str) -> list[tuple[Tensor, Tensor]]:
        images = self._images[split]
        self.network.eval()
        batches = torch.arange(len(images)).split(_EVALUATION_BATCH)
        with torch.no_grad(), self._autocast(), self._global_generators_ours():
            return [self._extract(self._standardise(images.batch(batch)[0])) for batch in batches]

    def _global_generators_ours(self, generator: torch.Generator | None = None) -> AbstractContextManager[None]:
        """A user's network may draw from the global generators as it runs: seed them, and put them back."""
        if isinstance(self.settings.network, str):
            return nullcontext()  # the networks of this package draw from the trainer's generators only
        seed = 0 if generator is None else int(torch.randint(2**32, (), generator=generator))
        return global_generators_restored(seed)

    def _standardise(self, pixels: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to float32 of the training images' mean 0 and standard deviation 1 per channel."""
        x = pixels.to(torch.float32, memory_format=torch.channels_last)
        return x.sub_(self._mean).mul_(self._inverse_std)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def state_dict(self) -> dict[str, Any]:
        """The whole state, copied: network, optimiser and generators."""
        return {
            "network": _copied(self.network.state_dict()),
            "optimizer": _copied(self._optimizer.state_dict()),
            **self.generators(),
        }

    def generators(self) -> dict[str, Any]:
        """The part of the state that later draws come from."""
        return {
            "order_generator": self._order_generator.get_state(),
            "noise_generator": self._noise_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state: training from it gives the same bits as the trainer it came from."""
        self.network.load_state_dict(state["network"])
        # An optimiser keeps the tensors that it is given, so it gets its own.
        self._optimizer.load_state_dict(_copied(state["optimizer"]))
        self._order_generator.set_state(state["order_generator"])
        self._noise_generator.set_state(state["noise_generator"])

    def fingerprint(self) -> str | None:
        """What decides the bits of a training run from here; None if the network is a user's factory."""
        if not isinstance(self.settings.network, str):
            return None
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.splits.train.pixels, self.splits.train.labels):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        # The network as it stands, freshly initialised: another version of its code must not find this one's training.
        digest.update(str(self.network).encode())
        for tensor in self.network.state_dict().values():
            digest.update(tensor.cpu().contiguous().numpy().data)
        training = (self.settings, self.device.type, self.bf16, len(self.splits.classes))
        digest.update(repr((training, torch.get_num_threads(), torch.__version__)).encode())
        return digest.hexdigest()


class _Images:
    """A split's images where batches are cut from: uint8 on CUDA, the memory map itself on CPU."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self._split = split
        self._device = device
        self._resident = device.type != "cpu"
        if self._resident:
            self._pixels = torch.from_numpy(np.array(split.pixels)).to(device)
            self._labels = torch.from_numpy(np.array(split.labels)).to(device)

    def __len__(self) -> int:
        return len(self._split)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, C, H, W) and int64 (B,) at `indices` (int64, on the CPU)."""
        if self._resident:
            indices = indices.to(self._device, non_blocking=True)
            return self._pixels[indices], self._labels[indices]
        rows = indices.numpy()
        return torch.from_numpy(self._split.pixels[rows]), torch.from_numpy(self._split.labels[rows])


def _mean_and_std(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation per channel, each (C,), in grey levels; exact, from a histogram."""
    levels = np.arange(256)
    mean, std = [], []
    for channel in range(pixels.shape[1]):
        counts = np.bincount(pixels[:, channel].ravel(), minlength=256)
        average = (counts * levels).sum() / counts.sum()
        mean.append(average)
        std.append(max(np.sqrt((counts * (levels - average) ** 2).sum() / counts.sum()), 1.0))
    return np.array(mean, np.float32), np.array(std, np.float32)


def _optimizer(settings: TrainerSettings, network: nn.Module) -> torch.optim.Optimizer:
    parameters = network.parameters()
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=settings.learning_rate, momentum=0.9, fused=True)
    return torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)


def _copied(tree: Any) -> Any:
    """A nested dictionary with every tensor cloned."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) for value in tree]
    return tree
