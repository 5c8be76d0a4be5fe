"""How the cost grows, in time and memory: images, walkers, observation width, children. Plots what it measures.

Each point is a process of its own, whose peak memory is its alone.

Run: python tests/benchmarks/bench_scale.py [--quick] [--out docs/scale.svg]
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from noise_images import noise_splits
from torch import nn

_IMAGES = (1_000, 3_000, 10_000, 30_000, 100_000)
_WALKERS = (1, 4, 16, 64, 256)
_WIDTHS = (256, 512, 1024, 2048, 4096)
_CHILDREN = (1, 2, 4, 8, 16)


def _wide(channels: int, classes: int, image_size: int, width: int) -> nn.Module:
    """A network whose feature, the input of the last layer, is `width` numbers wide."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, width), nn.ReLU(), nn.Linear(width, classes))


def _walk(images: int = 10_000, walkers: int = 1, width: int | None = None) -> float:
    """Microseconds an image over one walk, a random half retained; its last step is left out."""
    # The observation holds the image's feature and the mean of those retained.
    network: Any = "small" if width is None else functools.partial(_wide, width=width // 2)
    keywords: dict[str, Any] = {"dataset": noise_splits(images), "network": network, "pretrain_epochs": 0}
    if walkers == 1:
        env: Any = gym.make("fer_gym:ImageSelect-v0", **keywords)
    else:
        env = gym.make_vec("fer_gym:ImageSelect-v0", num_envs=walkers, **keywords)
    env.reset(seed=0)
    steps = -(-images // walkers) - 1
    actions = np.random.default_rng(0).integers(2, size=(steps, walkers) if walkers > 1 else steps)
    actions = list(actions)
    step = env.step
    start = time.perf_counter()
    for action in actions:
        step(action)
    return 1e6 * (time.perf_counter() - start) / (steps * walkers)


def _children(count: int) -> float:
    """Milliseconds a child of a step of `count` children."""
    env = gym.make_vec("fer_gym:RegTune-v0", num_envs=count, dataset=noise_splits(2_000, 500), chunks=100)
    env.reset(seed=0)
    actions = np.full((count, 1), 0.3, np.float32)
    env.step(actions)
    start = time.perf_counter()
    for _ in range(3):
        env.step(actions)
    return 1e3 * (time.perf_counter() - start) / (3 * count)


def _measured(work: Callable[[], float]) -> tuple[float, float]:
    """What `work` returns, and the peak memory of this process in MiB."""
    return work(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a line a point, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the first two points of each curve")
    parser.add_argument("--out", type=Path, help="where the curves are drawn, as an SVG")
    options = parser.parse_args()
    curves: dict[str, tuple[str, dict[int, Callable[[], float]]]] = {
        "training images": ("µs an image", {n: functools.partial(_walk, images=n) for n in _IMAGES}),
        "walkers": ("µs an image", {k: functools.partial(_walk, walkers=k) for k in _WALKERS}),
        "observation width": ("µs an image", {w: functools.partial(_walk, width=w) for w in _WIDTHS}),
        "children": ("ms a child and step", {k: functools.partial(_children, k) for k in _CHILDREN}),
    }
    spawn = multiprocessing.get_context("spawn")
    measured: dict[str, dict[int, tuple[float, float]]] = {}
    for name, (unit, works) in curves.items():
        for place, work in list(works.items())[: 2 if options.quick else None]:
            with spawn.Pool(1) as pool:
                cost, memory = measured.setdefault(name, {})[place] = pool.apply(_measured, (work,))
            print(f"{name} {place:,} | {cost:,.1f} {unit} | peak {memory:,.0f} MiB", flush=True)
    if options.out:
        _draw(measured, {name: unit for name, (unit, _) in curves.items()}, options.out)
        print(f"drew {options.out}")


def _draw(measured: dict[str, dict[int, tuple[float, float]]], units: dict[str, str], path: Path) -> None:
    """A column for each curve: time above, memory below."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fer-gym", "font.size": 9}):
        figure = Figure(figsize=(3 * len(measured), 4.6), layout="constrained")
        axes = figure.subplots(2, len(measured))
        for (name, points), column in zip(measured.items(), axes.T, strict=True):
            for axis, unit, heights in zip(
                column, (units[name], "peak memory, MiB"), zip(*points.values(), strict=True), strict=True
            ):
                axis.plot(list(points), heights, "o-", color="#0072b2")
                axis.set_xscale("log", base=2 if max(points) < 5_000 else 10)
                axis.set_ylim(0, 1.15 * max(heights))
                axis.set_xlabel(name)
                axis.set_ylabel(unit)
                axis.grid(alpha=0.3)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
