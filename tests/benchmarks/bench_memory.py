"""Peak memory of one ImageSelect-v0 on FER2013, against its images' bytes and its network's.

Run: python tests/benchmarks/bench_memory.py [--root FER2013] [--network NAME]
Without --root it takes as many images of noise.
"""

from __future__ import annotations

import argparse
import resource
from typing import Any

import gymnasium as gym
import torch
from noise_images import noise_splits

from fer_gym.envs import ImageSelectEnv


def peak() -> int:
    """Bytes that the process had in memory at most, up to now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Print one line: what, against what, both in MiB, the target; and one with the peak after each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="FER2013; noise without it")
    parser.add_argument("--network", default="rlps_cnn")
    options = parser.parse_args()
    stages = {"importing PyTorch and Gymnasium": peak()}
    # PyTorch imports its compiler with the first optimiser.
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    stages["the first optimiser"] = peak()
    data: dict[str, Any] = {"dataset": noise_splits(28_709, 3_589)}
    if options.root is not None:
        data = {"dataset": "fer2013", "root": options.root}
    made = gym.make("fer_gym:ImageSelect-v0", **data, network=options.network, pretrain_epochs=0, epochs_per_episode=0)
    env = made.unwrapped
    assert isinstance(env, ImageSelectEnv)
    made.reset(seed=0)
    stages["reset: the features of all images"] = peak()
    for _ in range(env.num_images):
        made.step(1)
    stages["a walk and its rewards"] = peak()
    env.trainer.train_epochs(env.trainer.all_images()[: 10 * env.settings.batch_size], 1)
    stages["ten training batches"] = peak()
    images = sum(split.pixels.nbytes for split in (env.splits.train, env.splits.val, env.splits.test))
    weights = sum(value.nbytes for value in env.trainer.network.parameters())
    allowed = 1.5 * (images + weights) + 300 * 2**20
    mebibyte = 2**20
    print(
        f"peak memory, {env.num_images:,} training images, {options.network}: {peak() / mebibyte:,.0f} MiB | images "
        f"{images / mebibyte:,.0f}, network {weights / mebibyte:,.0f} MiB | target {allowed / mebibyte:,.0f} MiB "
        "(1.5 x + 300)"
    )
    print("MiB after " + ", ".join(f"{stage}: {size / mebibyte:,.0f}" for stage, size in stages.items()))


if __name__ == "__main__":
    main()
