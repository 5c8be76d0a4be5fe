"""What the GPU path gains: training images a second against an eager fp32 loop over a `DataLoader`, in one run.

Both train the same network on the same images, in pairs; on our side the images lie on the device as uint8. There is a
line for the recorded step (CUDA graph) and one for the step as it is; then a RegTune step against the bare loop of the
same work, how often a step waits for the device, and how far the recorded losses lie from the others. Without CUDA
there is one line, of a few batches.

Run: python tests/benchmarks/bench_gpu.py [--network resnet34] [--batches N] [--pairs 5] [--faces FILE.npz]

FILE.npz holds `pixels`, uint8 (N, C, H, W), and `labels`, int (N,); the last tenth is the validation split. Without it
the faces are the synthetic ones.
"""

from __future__ import annotations

import argparse
import os
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from bench_reg_tune import Bare, interval
from other_process import seconds
from torch.utils.data import DataLoader, TensorDataset

from fer_gym.data import Split, Splits, load
from fer_gym.envs import RegTuneEnv
from fer_gym.training import Trainer, TrainerSettings

_FIRST_LOSSES = 20


class _Eager:
    """The loop one would write first: fp32, a `DataLoader` of float images, nothing recorded."""

    def __init__(self, trainer: Trainer) -> None:
        split = trainer.splits.train
        mean, std = np.mean(split.pixels), np.std(split.pixels)
        images = torch.from_numpy(((split.pixels - mean) / std).astype(np.float32))
        dataset = TensorDataset(images, torch.from_numpy(np.array(split.labels)))
        self.device = trainer.device
        self.loader = DataLoader(
            dataset, trainer.settings.batch_size, shuffle=True, drop_last=True, pin_memory=self.device.type == "cuda"
        )
        with torch.random.fork_rng():
            self.network = trainer.settings.factory(split.pixels.shape[1], len(trainer.splits.classes), images.shape[2])
        self.network.to(self.device)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def train(self, count: int) -> None:
        self.network.train()
        done = 0
        while done < count:
            for images, labels in self.loader:
                loss = F.cross_entropy(self.network(images.to(self.device)), labels.to(self.device))
                self.adam.zero_grad()
                loss.backward()
                self.adam.step()
                loss.item()
                done += 1
                if done == count:
                    return


def _splits(faces: str | None) -> Splits:
    if faces is None:
        return load("synthetic")
    with np.load(faces) as arrays:
        pixels, labels = arrays["pixels"], arrays["labels"].astype(np.int64)
    cut = len(labels) * 9 // 10
    train, rest = Split(pixels[:cut], labels[:cut]), Split(pixels[cut:], labels[cut:])
    return Splits(train, rest, rest, tuple(str(label) for label in range(labels.max() + 1)))


def _with_graphs(wanted: bool) -> None:
    os.environ["FER_GYM_CUDA_GRAPHS"] = str(int(wanted))


def _waits(env: RegTuneEnv, action: np.ndarray) -> int:
    """How often a step waits for the device."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        env.step(action)
        torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing CUDA operation" in str(warning.message) for warning in caught)


def main() -> None:
    """Print a line for each comparison: what, against what, the mean ratio with its 95 % interval, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet34")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--batches", type=int, help="of a measurement; 100 on CUDA, else 3")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--faces")
    options = parser.parse_args()
    splits = _splits(options.faces)
    settings = TrainerSettings(options.network, options.batch_size, device=options.device)
    cuda = Trainer(splits, settings).device.type == "cuda"
    batches = options.batches or (100 if cuda else 3)
    first_losses = {}
    for graphs in (True, False) if cuda else (False,):
        _with_graphs(graphs)
        trainer = Trainer(splits, settings)
        eager = _Eager(trainer)

        def ours(trainer: Trainer = trainer) -> None:
            trainer.read(trainer.train_batches(batches))

        def theirs(eager: _Eager = eager) -> None:
            eager.train(batches)

        first_losses[graphs] = trainer.read(trainer.train_batches(_FIRST_LOSSES if cuda else 1))[0].losses
        theirs()
        pairs = np.array([(seconds(ours), seconds(theirs)) for _ in range(options.pairs)])
        rate = batches * options.batch_size / pairs[:, 0].mean()
        name = f"Trainer, {options.network}, {'bf16' if trainer.bf16 else 'fp32'}"
        name += f", {'CUDA graph' if graphs else 'step by step'} ({rate:,.0f} images/s)"
        target = "target 5 x" if cuda else "see bench_trainer"
        print(f"{name} | faster than eager fp32 with a DataLoader | {interval(pairs[:, 1] / pairs[:, 0])} | {target}")
    if not cuda:
        return
    _with_graphs(True)
    keywords = {"network": options.network, "batch_size": options.batch_size, "device": options.device}
    env = RegTuneEnv(dataset=splits, chunks=10**6, **keywords)
    env.reset(seed=0)
    action = np.full(env.action_space.shape, 0.3, np.float32)
    bare = Bare(env)
    for _ in range(2):
        env.step(action)
        bare.chunk()
    pairs = np.array([(seconds(lambda: env.step(action)), seconds(bare.chunk)) for _ in range(4 * options.pairs)])
    step = f"RegTune-v0 step ({pairs[:, 0].mean():.3f} s)"
    print(f"{step} | the bare loop, not recorded | {interval(pairs[:, 0] / pairs[:, 1])} | target 1.02 x")
    print(f"RegTune-v0 step | waits for the device | {_waits(env, action)} | target 1")
    apart = np.abs(first_losses[True] - first_losses[False]).max()
    print(f"losses of {_FIRST_LOSSES} recorded steps | of the same steps not recorded | at most {apart:.2g} apart |")


if __name__ == "__main__":
    main()
