"""Random draws from a trainer's own generators; the global generators are left as they were."""

from __future__ import annotations

import inspect
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class DrawsFrom(TorchFunctionMode):
    """Within it, what this thread draws without a generator of its own comes from a given one.

    `nn.Linear`'s initial weights, say, have no other way to be drawn from anything but PyTorch's global generator, from
    which other threads may draw at the same time. PyTorch keeps such modes by thread.

    Args:
        generator: of a CPU; draws on other devices are left alone, and so are those of functions that take no
            generator, `nn.functional.dropout` for one.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch, with the generator if it draws."""
        kwargs = kwargs or {}
        if function in _DRAWS and kwargs.get("generator") is None:
            tensor = args[0] if args and isinstance(args[0], Tensor) else None
            device = torch.device(kwargs.get("device") or "cpu") if tensor is None else tensor.device
            if device.type == "cpu":
                kwargs = {**kwargs, "generator": self.generator}
        return function(*args, **kwargs)


_DRAWS = {
    *(torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.bernoulli, torch.multinomial),
    *(torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.random_, torch.Tensor.bernoulli_),
    *(torch.Tensor.exponential_, torch.Tensor.geometric_, torch.Tensor.log_normal_, torch.Tensor.cauchy_),
    *(torch.Tensor.bernoulli, torch.Tensor.multinomial),
    # PyTorch passes these on as one call; the draws inside them are not seen.
    *(
        each
        for each in vars(nn.init).values()
        if inspect.isfunction(each) and "generator" in inspect.signature(each).parameters
    ),
}

# Held while the global generators are ours: environments in several threads take turns.
_global_generators = threading.RLock()


def _renew_lock() -> None:
    """In a child of a fork, whose parent's other threads never let go of the lock."""
    global _global_generators
    _global_generators = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def global_generators_restored(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and PyTorch's global generators for a block, and put them back after it.

    Code that can draw from nothing else (a user's network factory) becomes reproducible without anyone else's stream
    moving, as long as no other thread draws from them meanwhile; environments in other threads wait.
    """
    with _global_generators, _seeded(seed):
        yield


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
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
