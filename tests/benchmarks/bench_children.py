"""Four children of RegTune-v0 at once against two other ways to train them, interleaved in one run.

First against four scalar environments in turn. Then against batched weights: the bare loop of the same work, which
scores nothing, with the four networks as one by `torch.func`. On CUDA our children train on a stream each.

Run: python tests/benchmarks/bench_children.py [--network NAME] [--pairs N]
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from bench_reg_tune import Bare
from other_process import seconds
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from fer_gym.envs import RegTuneEnv

_CHILDREN = 4
_Weights = dict[str, Tensor]


class _Stacked:
    """The children's networks as one whose weights, images and labels have a dimension more: (K, ...)."""

    def __init__(self, bare: list[Bare]) -> None:
        self.bare = bare
        # Batch norm cannot be vectorised over channels-last images, so these weights are contiguous.
        networks = [copy.deepcopy(child.network).to(memory_format=torch.contiguous_format) for child in bare]
        self.network = networks[0]
        # Batch norm of bf16 images with fp32 statistics cannot be vectorised.
        self.bf16 = bare[0].bf16 and not any(isinstance(layer, nn.BatchNorm2d) for layer in self.network.modules())
        self.weights, self.buffers = stack_module_state(networks)
        self.adam = torch.optim.Adam(self.weights.values(), lr=1e-3, fused=True)

    def _loss(self, weights: _Weights, buffers: _Weights, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(self.network, (weights, buffers), (images,)).float(), labels)

    def _each(self, function: Callable[..., object], split: str, count: int) -> list[object]:
        """The function of every child, vectorised over the children, on batch after batch."""
        batches = [child._batches(getattr(child, split), count) for child in self.bare]
        vectorised = vmap(function, randomness="different")
        outcomes = []
        for batch in zip(*batches, strict=True):
            pixels, labels = (torch.stack(tensors) for tensors in zip(*batch, strict=True))
            child = self.bare[0]
            images = (pixels.float() - child.mean) * child.inverse_std
            # `grad_and_value` makes gradients all the same; else a graph of every step is kept as well.
            with torch.no_grad(), torch.autocast(child.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                outcomes.append(vectorised(self.weights, self.buffers, images, labels))
            if self.network.training:
                for name, gradient in outcomes[-1][0].items():
                    self.weights[name].grad = gradient
                self.adam.step()
                outcomes[-1] = outcomes[-1][1]
        return outcomes

    def chunk(self) -> None:
        env = self.bare[0].env
        self.network.train()
        losses = self._each(grad_and_value(self._loss), "train", env.chunk_size)
        self.network.eval()
        with torch.no_grad():
            losses += self._each(self._loss, "val", env.val_batches)
        torch.stack(losses).cpu()


def main() -> None:
    """Print a line for each of the two: what, against what, the median ratio of the pairs, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="small")
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    keywords = {"network": options.network, "chunks": 10**6}
    together = gym.make_vec("fer_gym:RegTune-v0", num_envs=_CHILDREN, **keywords)
    alone = [gym.make("fer_gym:RegTune-v0", **keywords) for _ in range(_CHILDREN)]
    together.reset(seed=0)
    bare = []
    for k, made in enumerate(alone):
        made.reset(seed=k)
        assert isinstance(made.unwrapped, RegTuneEnv)
        bare.append(Bare(made.unwrapped))
    stacked = _Stacked(bare)
    actions = np.full((_CHILDREN, 1), 0.3, np.float32)

    def in_turn() -> None:
        for env, action in zip(alone, actions, strict=True):
            env.step(action)

    for name, other, target in (
        (f"{_CHILDREN} scalar environments in turn", in_turn, "target 1.05 x; 0.5 x on a GPU"),
        ("batched weights by torch.func, bare", stacked.chunk, "-"),
    ):
        together.step(actions)
        other()
        pairs = np.array([(seconds(lambda: together.step(actions)), seconds(other)) for _ in range(options.pairs)])
        ratios = np.sort(pairs[:, 0] / pairs[:, 1])
        ours, theirs = np.median(pairs, axis=0)
        print(
            f"RegTune-v0, {_CHILDREN} children, {options.network} ({ours:.2f} s a step) | {name} ({theirs:.2f} s) | "
            f"{np.median(ratios):.3f} x [{ratios[0]:.3f}, {ratios[-1]:.3f}] | {target}"
        )


if __name__ == "__main__":
    main()
