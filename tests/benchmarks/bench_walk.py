"""The walk's step against CartPole's, both through `gym.make`, interleaved in one run.

Run: python tests/benchmarks/bench_walk.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
from noise_images import noise_splits

_PAIRS = 15
_STEPS = 20_000
_TARGET = 2.5


def _walk() -> Callable[[], float]:
    """Seconds per step over one frozen episode, every second image retained; its last step is left out."""
    splits = noise_splits(_STEPS + 1)
    env = gym.make("fer_gym:ImageSelect-v0", dataset=splits, pretrain_epochs=0)
    env.reset(seed=0)
    actions = list(np.random.default_rng(0).integers(2, size=_STEPS))

    def run() -> float:
        env.reset(options={"freeze": True})
        step = env.step
        start = time.perf_counter()
        for action in actions:
            step(action)
        return (time.perf_counter() - start) / _STEPS

    return run


def _cart_pole() -> Callable[[], float]:
    """Seconds per step, resets left out."""
    env = gym.make("CartPole-v1")
    env.reset(seed=0)
    actions = list(np.random.default_rng(0).integers(2, size=_STEPS))

    def run() -> float:
        env.reset()
        step, seconds = env.step, 0.0
        start = time.perf_counter()
        for action in actions:
            _, _, terminated, truncated, _ = step(action)
            if terminated or truncated:
                seconds += time.perf_counter() - start
                env.reset()
                start = time.perf_counter()
        return (seconds + time.perf_counter() - start) / _STEPS

    return run


def main() -> None:
    """Print one line: what, against what, the median ratio of the pairs, the target."""
    walk, cart_pole = _walk(), _cart_pole()
    pairs = np.array([(walk(), cart_pole()) for _ in range(_PAIRS)])
    ratios = np.sort(pairs[:, 1] / pairs[:, 0])
    walk_rate, cart_rate = 1 / np.median(pairs, axis=0)
    print(
        f"ImageSelect-v0 step ({walk_rate:,.0f}/s) | CartPole-v1 step ({cart_rate:,.0f}/s) | "
        f"{np.median(ratios):.2f} x [{ratios[0]:.2f}, {ratios[-1]:.2f}] | target {_TARGET} x"
    )


if __name__ == "__main__":
    main()
