"""Random draws from a trainer's own generators; the global generators are left as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def global_generators_restored(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and PyTorch's global generators for a block, and put them back after it.

    Code that can draw from nothing else (`nn.Linear`'s initial weights, a user's network factory) becomes
    reproducible without anyone else's stream moving.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            # Not torch.manual_seed: where CUDA is not in use yet, it would leave the seed to whoever uses it first.
            torch.default_generator.manual_seed(seed)
            if devices:
                torch.cuda.manual_seed_all(seed)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def standard_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws from N(0, 1), with the shape, memory layout, dtype and device of `like`."""
    drawn = torch.empty_like(like)
    # On a CPU PyTorch fills a channels-last tensor number by number, eight times as slowly as the same memory in a row.
    drawn.as_strided((drawn.numel(),), (1,)).normal_(generator=generator)
    return drawn


class DrawsNoise(nn.Module):
    """A layer that draws from `generator`, which a trainer sets to its own; None is PyTorch's global generator."""

    generator: torch.Generator | None = None


class Dropout(DrawsNoise):
    """Dropout that draws its mask from a given generator, not from the global one.

    Args:
        rate: probability of dropping, in [0, 1]; a 0-dimensional tensor, under 1, if a regulariser sets it.
        per_channel: drop whole channels, as `nn.Dropout2d` does.
    """

    def __init__(self, rate: float, *, per_channel: bool = False) -> None:
        super().__init__()
        self.rate: float | Tensor = rate
        self.per_channel = per_channel

    def forward(self, x: Tensor) -> Tensor:
        """Zero a random share `rate` of `x` and scale the rest by 1 / (1 - rate); the identity in evaluation mode."""
        if not self.training:
            return x
        shape = (*x.shape[:2], *[1] * (x.ndim - 2)) if self.per_channel else x.shape
        rate = self.rate
        if not isinstance(rate, Tensor) or rate.device.type == "cpu":
            rate = float(rate)  # not on a GPU: reading the value would wait for it
            if rate in (0.0, 1.0):
                return x if rate == 0.0 else x * 0.0
        # On AMD processors PyTorch's bernoulli_ takes three times as long.
        mask = torch.rand(shape, device=x.device, generator=self.generator).ge_(rate).div_(1.0 - rate)
        return x * mask.to(x.dtype)

    def extra_repr(self) -> str:
        """What `print(network)` shows."""
        return f"rate={float(self.rate)}, per_channel={self.per_channel}"


_PER_CHANNEL = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def draw_noise_from(network: nn.Module, generator: torch.Generator) -> None:
    """Let every noise layer of `network` draw from `generator`; PyTorch's dropout layers are replaced by `Dropout`."""
    for module in list(network.modules()):
        # Not named_children(): that lists a layer used in two places only once.
        for name, child in module._modules.items():
            # No subclasses: they may do something else.
            if isinstance(child, (nn.Dropout, *_PER_CHANNEL)) and type(child) in (nn.Dropout, *_PER_CHANNEL):
                own = Dropout(child.p, per_channel=isinstance(child, _PER_CHANNEL)).train(child.training)
                setattr(module, name, own)
    for module in network.modules():
        if isinstance(module, DrawsNoise):
            module.generator = generator
