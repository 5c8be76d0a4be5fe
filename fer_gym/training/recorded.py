"""A training step as a CUDA graph: recorded once, then replayed with a single launch.

A step of ResNet34 on 64 small images is some thousand launches, which take longer than the work itself.
docs/performance.md has what the recording gains on a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

#: From the indices of a batch, int64 (B,), to its outputs, whose shape depends on B alone.
Work = Callable[[Tensor], Tensor]

# In the first steps libraries initialise and the optimiser creates its state, which a graph must not record.
_EAGER_STEPS = 3


def graphs_are_wanted(device: torch.device) -> bool:
    """Whether to record: on CUDA, unless the environment variable FER_GYM_CUDA_GRAPHS is 0."""
    return device.type == "cuda" and os.environ.get("FER_GYM_CUDA_GRAPHS", "1") != "0"


class Recorded:
    """Runs `work` on batches of one size: the first few times as it is, then as a recording.

    Whatever `work` reads and writes must stay where it is: weights, the optimiser's state and strengths are changed in
    place only. A replay repeats only what happens on the device; the caller does the rest, such as `network.train()`.

    Args:
        work: what to do on a batch.
        generators: those on the device that `work` draws from; each replay draws anew.
    """

    def __init__(self, work: Work, generators: Iterable[torch.Generator]) -> None:
        self._work = work
        self._generators = list(generators)
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Tensor
        self._output: Tensor

    def __call__(self, batch: Tensor) -> Tensor:
        """Do the work on `batch`, int64 (B,), on the device."""
        if self._graph is None:
            if self._eager_steps < _EAGER_STEPS:
                self._eager_steps += 1
                return self._work(batch)
            self._record(batch)
            assert self._graph is not None
        with _current(batch.device):  # a graph is replayed on the current device
            self._batch.copy_(batch)
            self._graph.replay()
            return self._output.clone()

    def _record(self, batch: Tensor) -> None:
        self._batch = batch.clone()
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        # PyTorch's own stream for recordings is that of the first device it recorded on. Other threads may use the
        # device meanwhile.
        stream = torch.cuda.Stream(batch.device)
        with (
            _current(batch.device),
            torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
        ):
            self._output = self._work(self._batch)
        self._graph = graph


def _current(device: torch.device) -> AbstractContextManager[Any]:
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
