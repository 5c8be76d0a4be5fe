"""Four children of RegTune-v0 at once against four scalar environments in turn, interleaved in one run.

Run: python tests/benchmarks/bench_children.py [--network NAME] [--pairs N]
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
from other_process import seconds

_CHILDREN = 4


def main() -> None:
    """Print one line: what, against what, the median ratio of the pairs, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="small")
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    keywords = {"network": options.network, "chunks": 10**6}
    together = gym.make_vec("fer_gym:RegTune-v0", num_envs=_CHILDREN, **keywords)
    alone = [gym.make("fer_gym:RegTune-v0", **keywords) for _ in range(_CHILDREN)]
    together.reset(seed=0)
    for k, env in enumerate(alone):
        env.reset(seed=k)
    actions = np.full((_CHILDREN, 1), 0.3, np.float32)

    def in_turn() -> None:
        for env, action in zip(alone, actions, strict=True):
            env.step(action)

    together.step(actions)
    in_turn()
    pairs = np.array([(seconds(lambda: together.step(actions)), seconds(in_turn)) for _ in range(options.pairs)])
    ratios = np.sort(pairs[:, 0] / pairs[:, 1])
    ours, reference = np.median(pairs, axis=0)
    print(
        f"RegTune-v0, {_CHILDREN} children, {options.network} ({ours:.2f} s a step) | {_CHILDREN} scalar environments "
        f"in turn ({reference:.2f} s) | {np.median(ratios):.3f} x [{ratios[0]:.3f}, {ratios[-1]:.3f}] | target 1.05 x; "
        "0.5 x on a GPU"
    )


if __name__ == "__main__":
    main()
