"""The trainer's images a second against plain loops, interleaved in one run.

CNN-A: against an fp32 loop over a `TensorDataset` already standardised, batches taken by index. ResNet34: against the
eager fp32 loop over a `DataLoader` of the same. The loops run in a process of their own.

Run: python tests/benchmarks/bench_trainer.py [--pairs N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from noise_images import noise_splits
from other_process import OtherProcess, seconds
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from fer_gym.training import Trainer, TrainerSettings, hardware
from fer_gym.training.networks import NETWORKS


def _plain_epoch(name: str, images: int, size: int, *, loader: bool) -> Callable[[], None]:
    """An epoch of the loop without fer-gym; batches by index, or from a `DataLoader`."""
    splits = noise_splits(images)
    pixels = splits.train.pixels.astype(np.float32)
    standard = TensorDataset(
        torch.from_numpy((pixels - pixels.mean()) / pixels.std()), torch.from_numpy(splits.train.labels)
    )
    device = hardware.resolve_device("auto")
    network = NETWORKS[name](1, len(splits.classes), pixels.shape[-1]).to(device).train()
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)

    def batches() -> Iterable[tuple[Tensor, ...]]:
        if loader:
            return DataLoader(standard, batch_size=size, shuffle=True)
        return (standard[rows] for rows in torch.randperm(images).split(size))

    def epoch() -> None:
        for x, y in batches():
            adam.zero_grad()
            F.cross_entropy(network(x.to(device)), y.to(device)).backward()
            adam.step()
        _finish(device)

    return epoch


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Print a line for each network: what, against what, the median ratio of the pairs, the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    for network, size, batches, loader, targets in (
        ("rlps_cnn", 32, 20, False, "3.5 x on bf16 hardware, 1.0 x in fp32; 4 x on a GPU"),
        ("resnet34", 64, 5, True, "3 x on bf16 hardware; 5 x on a GPU"),
    ):
        images = batches * size
        trainer = Trainer(noise_splits(images), TrainerSettings(network, batch_size=size))
        plain = OtherProcess(partial(_plain_epoch, network, images, size, loader=loader))

        def ours(trainer: Trainer = trainer) -> None:
            trainer.train_epochs(trainer.all_images(), 1)
            _finish(trainer.device)

        seconds(ours), plain.seconds()
        pairs = np.array([(seconds(ours), plain.seconds()) for _ in range(options.pairs)])
        plain.close()
        loop = "eager fp32 loop with DataLoader" if loader else "fp32 loop on tensors"
        ratios = np.sort(pairs[:, 1] / pairs[:, 0])
        rate, plain_rate = images / np.median(pairs, axis=0)
        print(
            f"Trainer, {network}, {'bf16' if trainer.bf16 else 'fp32'} ({rate:,.0f} images/s) | {loop} "
            f"({plain_rate:,.0f} images/s) | {np.median(ratios):.2f} x [{ratios[0]:.2f}, {ratios[-1]:.2f}] | "
            f"target {targets}"
        )


if __name__ == "__main__":
    main()
