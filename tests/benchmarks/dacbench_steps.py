"""DACBench's side of `bench_dacbench.py`, in DACBench's own environment: answers each line with a step's seconds.

Run by `bench_dacbench.py`: python dacbench_steps.py BATCH_SIZE TRAIN_SHARE
"""

from __future__ import annotations

import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np
import torch

# Where PyTorch has no CUDA, torchvision's compiled part does not load, and this module of it fails on that. Its data
# sets and transforms, all that DACBench uses, do without.
if not torch.cuda.is_available():
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")

from dacbench.benchmarks import SGDBenchmark
from dacbench.envs import SGDInstance
from torch import nn

_SIDE = 28


def _write_noise(folder: Path) -> None:
    """MNIST's four files, with noise in them."""
    rng = np.random.default_rng(0)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 60_000), ("t10k", 1_000)):
        header = np.array([0x803, count, _SIDE, _SIDE], ">i4").tobytes()
        pixels = rng.integers(0, 256, count * _SIDE**2, dtype=np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = np.array([0x801, count], ">i4").tobytes()
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())


def _small() -> nn.Module:
    """fer-gym's small network, with the log-softmax that DACBench's loss wants."""
    layers: list[nn.Module] = []
    before = 1
    for width in (16, 32, 64):
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        before = width
    pooled = 64 * (_SIDE // 8) ** 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(pooled, 128), nn.ReLU(), nn.Linear(128, 10), nn.LogSoftmax(dim=1)
    )


def main() -> None:
    """Step as long as lines come."""
    batch_size, train_share = int(sys.argv[1]), float(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        _write_noise(Path(folder))
        benchmark = SGDBenchmark(config=None)
        benchmark.config.epoch_mode = False
        benchmark.config.cutoff = 10**6
        benchmark.config.instance_set = {
            0: SGDInstance(_small, torch.optim.AdamW, {}, folder, "MNIST", batch_size, 1.0, train_share, 0)
        }
        env = benchmark.get_environment()
        env.reset(seed=0)
        env.step(1e-3)
        for _ in sys.stdin:
            start = time.perf_counter()
            env.step(1e-3)
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
