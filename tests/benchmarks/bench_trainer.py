"""The trainer's images a second against plain loops, interleaved in one run.

CNN-A: against an fp32 loop over a `TensorDataset` already standardised, batches taken by index. ResNet34: against the
eager fp32 loop over a `DataLoader` of the same.

Run: python tests/benchmarks/bench_trainer.py [--images N] [--pairs N]
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from bench_reg_tune import seconds
from noise_images import noise_splits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fer_gym.training import Trainer, TrainerSettings

_Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]


def _plain_epoch(network: nn.Module, batches: _Batches, device: torch.device) -> Callable[[], None]:
    network = copy.deepcopy(network).to(memory_format=torch.contiguous_format).train()
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)

    def epoch() -> None:
        for images, labels in batches():
            adam.zero_grad()
            F.cross_entropy(network(images.to(device)), labels.to(device)).backward()
            adam.step()
        _finish(device)

    return epoch


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Print a line for each network: what, against what, the median ratio of the pairs, the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=640, help="of an epoch")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    splits = noise_splits(options.images)
    pixels = splits.train.pixels.astype(np.float32)
    standard = TensorDataset(
        torch.from_numpy((pixels - pixels.mean()) / pixels.std()), torch.from_numpy(splits.train.labels)
    )

    def by_index(size: int) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = standard.tensors
        return ((images[rows], labels[rows]) for rows in torch.randperm(len(labels)).split(size))

    for network, size, loop, targets in (
        ("rlps_cnn", 32, "fp32 loop on tensors", "3.5 x on bf16 hardware, 1.0 x in fp32; 4 x on a GPU"),
        ("resnet34", 64, "eager fp32 loop with DataLoader", "3 x on bf16 hardware; 5 x on a GPU"),
    ):
        trainer = Trainer(splits, TrainerSettings(network, batch_size=size))
        loader = DataLoader(standard, batch_size=size, shuffle=True)
        batches: _Batches = (lambda: by_index(32)) if network == "rlps_cnn" else (lambda loader=loader: iter(loader))
        plain = _plain_epoch(trainer.network, batches, trainer.device)

        def ours(trainer: Trainer = trainer) -> None:
            trainer.train_epochs(trainer.all_images(), 1)
            _finish(trainer.device)

        for work in (ours, plain):
            work()
        pairs = np.array([(seconds(ours), seconds(plain)) for _ in range(options.pairs)])
        ratios = np.sort(pairs[:, 1] / pairs[:, 0])
        rate, plain_rate = options.images / np.median(pairs, axis=0)
        print(
            f"Trainer, {network}, {'bf16' if trainer.bf16 else 'fp32'} ({rate:,.0f} images/s) | {loop} "
            f"({plain_rate:,.0f} images/s) | {np.median(ratios):.2f} x [{ratios[0]:.2f}, {ratios[-1]:.2f}] | "
            f"target {targets}"
        )


if __name__ == "__main__":
    main()
