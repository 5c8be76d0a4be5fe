"""A step of RegTune-v0 against the same work in bare PyTorch, and in the loop one would write first; one run, in pairs.

The bare loop does the same N training steps and m evaluations: same network, dropout, batches of the same size, images
in memory as uint8, precision, channels-last and fused Adam; its layers are PyTorch's own, and it scores nothing and
tells nothing. The loop one would write first is fp32, takes its batches from a `DataLoader`, asks for each loss with
`.item()` and for each F1 from scikit-learn, in a process of its own. Last line: what `reset` costs beyond its warm-up
chunk, against a chunk.

Run: python tests/benchmarks/bench_reg_tune.py [--network NAME] [--pairs N] [--first-pairs N]
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from other_process import OtherProcess, seconds
from scipy import stats
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fer_gym.data import Split, Splits
from fer_gym.envs import RegTuneEnv
from fer_gym.training.generators import Dropout
from fer_gym.training.onednn import OneDnnStack

_RATE = 0.3


def _plain(network: nn.Module) -> nn.Module:
    """A copy of a child's network whose layers are PyTorch's own, its dropout at a fixed rate."""
    network = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(_RATE))
            elif isinstance(child, OneDnnStack):
                setattr(module, name, nn.Sequential(*child))
    return network


class Bare:
    """The same work with nothing around it."""

    def __init__(self, env: RegTuneEnv) -> None:
        trainer = env.trainer
        self.env, self.device, self.bf16 = env, trainer.device, trainer.bf16
        self.network = _plain(trainer.network)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)
        self.train = self._tensors(env.splits.train)
        self.val = self._tensors(env.splits.val)
        self.mean, self.inverse_std = trainer._mean, trainer._inverse_std

    def _tensors(self, split: object) -> tuple[Tensor, Tensor]:
        pixels, labels = (torch.from_numpy(np.array(getattr(split, name))) for name in ("pixels", "labels"))
        return pixels.to(self.device), labels.to(self.device)

    def _batches(self, split: tuple[Tensor, Tensor], count: int) -> list[tuple[Tensor, Tensor]]:
        size = self.env.settings.batch_size
        order = torch.cat([torch.randperm(len(split[1])) for _ in range(-(-count * size // len(split[1])))])
        return [(split[0][rows], split[1][rows]) for rows in order[: count * size].view(count, size)]

    def _forward(self, pixels: Tensor) -> Tensor:
        images = pixels.to(torch.float32, memory_format=torch.channels_last).sub_(self.mean).mul_(self.inverse_std)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.network(images)
        return logits.float()

    def chunk(self) -> None:
        self.network.train()
        losses = []
        for pixels, labels in self._batches(self.train, self.env.chunk_size):
            self.adam.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self._forward(pixels), labels)
            loss.backward()
            self.adam.step()
            losses.append(loss.detach())
        self.network.eval()
        with torch.no_grad():
            for pixels, labels in self._batches(self.val, self.env.val_batches):
                losses.append(F.cross_entropy(self._forward(pixels), labels))
        torch.stack(losses).cpu()


class _First:
    """What one would write first."""

    def __init__(
        self, network: nn.Module, splits: Splits, counts: tuple[int, int], batch_size: int, device: torch.device
    ) -> None:
        self.counts, self.device = counts, device
        self.network = network.to(device, memory_format=torch.contiguous_format)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.train, self.val = (self._loader(split, batch_size) for split in (splits.train, splits.val))

    @staticmethod
    def _loader(split: Split, batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
        images = (split.pixels.astype(np.float32) - split.pixels.mean()) / split.pixels.std()
        dataset = TensorDataset(torch.from_numpy(images.astype(np.float32)), torch.from_numpy(np.array(split.labels)))
        return DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)

    @staticmethod
    def _score(logits: Tensor, labels: Tensor) -> float:
        predictions = logits.argmax(dim=1).cpu()
        return float(f1_score(labels.cpu(), predictions, average="macro", zero_division=0))

    def chunk(self) -> None:
        losses, scores = [], []
        for loader, count, training in zip((self.train, self.val), self.counts, (True, False), strict=True):
            self.network.train(training)
            done = 0
            while done < count:
                for images, labels in loader:
                    images, labels = images.to(self.device), labels.to(self.device)
                    with torch.set_grad_enabled(training):
                        logits = self.network(images)
                        loss = F.cross_entropy(logits, labels)
                    if training:
                        self.adam.zero_grad()
                        loss.backward()
                        self.adam.step()
                    losses.append(loss.item())
                    scores.append(self._score(logits, labels))
                    done += 1
                    if done == count:
                        break


def _first_chunk(*arguments: Any) -> Callable[[], None]:
    return _First(*arguments).chunk


def interval(ratios: np.ndarray) -> str:
    half = stats.t.ppf(0.975, len(ratios) - 1) * stats.sem(ratios) if len(ratios) > 1 else float("nan")
    return f"{ratios.mean():.3f} x [{ratios.mean() - half:.3f}, {ratios.mean() + half:.3f}]"


def main() -> None:
    """Print a line for each comparison: what, against what, the mean ratio with its 95 % interval, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="small")
    parser.add_argument("--pairs", type=int, default=20, help="with the bare loop")
    parser.add_argument("--first-pairs", type=int, default=3, help="with the loop one would write first")
    options = parser.parse_args()
    made = gym.make("fer_gym:RegTune-v0", network=options.network, chunks=10**6)
    env = made.unwrapped
    assert isinstance(env, RegTuneEnv)
    env.reset(seed=0)
    action = np.full(env.action_space.shape, _RATE, np.float32)
    bare = Bare(env)
    counts = (env.chunk_size, env.val_batches)
    network = copy.deepcopy(bare.network).cpu()
    first = OtherProcess(partial(_first_chunk, network, env.splits, counts, env.settings.batch_size, bare.device))
    for work in (lambda: made.reset(seed=0), lambda: made.step(action), bare.chunk):
        work()

    def step() -> object:
        return made.step(action)

    name = f"RegTune-v0 step, {options.network}, {'bf16' if bare.bf16 else 'fp32'}"
    pairs = np.array([(seconds(step), seconds(bare.chunk)) for _ in range(options.pairs)])
    name_and_time = f"{name} ({pairs[:, 0].mean():.3f} s)"
    print(f"{name_and_time} | the bare loop | {interval(pairs[:, 0] / pairs[:, 1])} | target 1.03 x")
    pairs = np.array([(first.seconds(), seconds(step)) for _ in range(options.first_pairs)])
    faster = interval(pairs[:, 0] / pairs[:, 1])
    print(f"{name} | faster than the loop one would write first | {faster} | target 3.5 x, rlps_cnn on bf16 hardware")
    first.close()
    env.warmup = None
    pairs = np.array([(seconds(made.reset), seconds(step)) for _ in range(5)])
    print(f"{name} | reset without its warm-up, of a chunk | {interval(pairs[:, 0] / pairs[:, 1])} | target 0.1 x")


if __name__ == "__main__":
    main()
