"""Peak memory of one ImageSelect-v0 on FER2013, against its images' bytes and its network's.

Run: python tests/benchmarks/bench_memory.py [--root FER2013] [--network NAME]
Without --root it takes as many images of noise.
"""

from __future__ import annotations

import argparse
import resource
from typing import Any

import gymnasium as gym
from noise_images import noise_splits

from fer_gym.envs import ImageSelectEnv


def main() -> None:
    """Print one line: what, against what, both in MiB, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="FER2013; noise without it")
    parser.add_argument("--network", default="rlps_cnn")
    options = parser.parse_args()
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    data: dict[str, Any] = {"dataset": noise_splits(28_709, 3_589)}
    if options.root is not None:
        data = {"dataset": "fer2013", "root": options.root}
    made = gym.make("fer_gym:ImageSelect-v0", **data, network=options.network, pretrain_epochs=0, epochs_per_episode=0)
    env = made.unwrapped
    assert isinstance(env, ImageSelectEnv)
    made.reset(seed=0)
    for _ in range(env.num_images):
        made.step(1)
    env.trainer.train_epochs(env.trainer.all_images()[: 10 * env.settings.batch_size], 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    images = sum(split.pixels.nbytes for split in (env.splits.train, env.splits.val, env.splits.test))
    weights = sum(value.nbytes for value in env.trainer.network.parameters())
    allowed = 1.5 * (images + weights) + 300 * 2**20
    mebibyte = 2**20
    print(
        f"peak memory, {env.num_images:,} training images, {options.network}: {peak / mebibyte:,.0f} MiB, of which "
        f"{imported / mebibyte:,.0f} the libraries | images {images / mebibyte:,.0f}, network "
        f"{weights / mebibyte:,.0f} MiB | target {allowed / mebibyte:,.0f} MiB (1.5 x + 300)"
    )


if __name__ == "__main__":
    main()
