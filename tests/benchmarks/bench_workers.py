"""RegTune-v0 in worker processes with the threads that the package gives them, against one thread each.

Both run in turns, in processes of Gymnasium's `AsyncVectorEnv`; "one each" is set by OMP_NUM_THREADS, and PyTorch's own
number, all cores for each worker, stands beside it once.

Run: python tests/benchmarks/bench_workers.py [--workers K] [--pairs N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import gymnasium as gym
from noise_images import noise_splits

import fer_gym  # noqa: F401 (registers the environments)

_KEYWORDS = {"chunk_size": 10, "chunks": 6, "batch_size": 32, "precision": "fp32"}


def _make() -> gym.Env:
    return gym.make("fer_gym:RegTune-v0", dataset=noise_splits(400), **_KEYWORDS)


def _seconds(workers: int, threads: int | None) -> float:
    """Of an episode of all workers; with so many threads each, or the package's choice."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        envs = gym.vector.AsyncVectorEnv([_make] * workers, context="spawn")
    finally:
        os.environ.pop("OMP_NUM_THREADS", None)
    try:
        envs.reset(seed=0)
        envs.action_space.seed(0)
        start = time.perf_counter()
        for _ in range(_KEYWORDS["chunks"]):
            envs.step(envs.action_space.sample())
        return time.perf_counter() - start
    finally:
        envs.close()


def main() -> None:
    """Print what, against what, the median ratio of the pairs, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    os.environ.pop("OMP_NUM_THREADS", None)
    cores = os.cpu_count() or 1
    pairs = [(_seconds(options.workers, None), _seconds(options.workers, 1)) for _ in range(options.pairs)]
    ratio = statistics.median(ours / one for ours, one in pairs)
    ours, one = map(statistics.median, zip(*pairs, strict=True))
    every = _seconds(options.workers, cores)
    print(f"{ours:.1f} s as the package has it, {one:.1f} s with a thread each, {every:.1f} s with {cores} each")
    print(f"{options.workers} RegTune-v0 workers | a thread each | {ratio:.2f} | target at most 1.3")


if __name__ == "__main__":
    main()
