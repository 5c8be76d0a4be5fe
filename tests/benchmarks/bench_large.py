"""Memory of training on images that lie in the cache, more of them than should be in memory. Linux only.

Writes so many colour images of noise of 96x96 pixels into a cache of its own, as a loader does, and trains on them in
another process. What is mapped from the cache counts as memory of the process (RssFile), but the kernel takes it back
when it needs it; what the process holds is RssAnon.

Run: python tests/benchmarks/bench_large.py [--images 300000] [--steps 100] [--folder WHERE_THERE_IS_ROOM]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_gym.data import Split, Splits, cache
from fer_gym.training.settings import TrainerSettings
from fer_gym.training.trainer import Trainer

_SHAPE = (3, 96, 96)
_HELD_OUT = 1_000
_CHUNK = 256
_BATCH = 128


def _status() -> dict[str, float]:
    """This process's memory in MiB, by Linux's names."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words[-1] == "kB"}


def _splits(images: int) -> Splits:
    """Images of noise in the cache, written at the first call."""
    sizes = {"train": images, "val": _HELD_OUT, "test": _HELD_OUT}

    def chunks(count: int) -> Iterator[NDArray[np.uint8]]:
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, (2 * _CHUNK, *_SHAPE), dtype=np.uint8)
        for start in range(0, count, _CHUNK):
            yield noise[rng.permutation(len(noise))[: min(_CHUNK, count - start)]]

    def build(directory: Path) -> None:
        for name, count in sizes.items():
            cache.write(directory / f"{name}_pixels.npy", (count, *_SHAPE), chunks(count))
            np.save(directory / f"{name}_labels.npy", np.arange(count) % 7)

    arrays = cache.cached("noise", {"images": images}, build)
    train, val, test = (Split(arrays[f"{name}_pixels"], arrays[f"{name}_labels"]) for name in sizes)
    return Splits(train, val, test, tuple("abcdefg"))


def _train(images: int, steps: int) -> None:
    """Print what training takes, in memory and time."""
    stages = {"importing": _status()}
    splits = _splits(images)
    stages["mapping the images"] = _status()
    start = time.perf_counter()
    trainer = Trainer(splits, TrainerSettings(network="small", batch_size=_BATCH, device="cpu"))
    made = time.perf_counter() - start
    stages["a trainer"] = _status()
    trainer.train_steps(trainer.all_images(), 3)
    start = time.perf_counter()
    trainer.train_steps(trainer.all_images(), steps)
    rate = steps * _BATCH / (time.perf_counter() - start)
    stages["training"] = peak = _status()
    print(
        f"training on {splits.train.pixels.nbytes / 2**30:.1f} GiB: peak VmHWM {peak['VmHWM']:,.0f} MiB, of it at the "
        f"end RssAnon {peak['RssAnon']:,.0f} MiB | {images:,} images | {rate:,.0f} images/s | target VmHWM 4,096 MiB"
    )
    print(f"a trainer, which takes the mean and deviation of all images, took {made:.1f} s")
    for stage, status in stages.items():
        print(
            f"MiB after {stage}: "
            + ", ".join(f"{name} {status[name]:,.0f}" for name in ("VmHWM", "RssAnon", "RssFile"))
        )


def main() -> None:
    """Write the cache here, train in a process of its own, and remove the cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30_000, help="of the training split, 27 KiB each")
    parser.add_argument("--steps", type=int, default=100, help=f"of {_BATCH} images")
    parser.add_argument("--folder", help="where the cache is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["FER_GYM_CACHE"] = folder
        start = time.perf_counter()
        _splits(options.images)
        print(f"writing took {time.perf_counter() - start:.1f} s, peak VmHWM {_status()['VmHWM']:,.0f} MiB", flush=True)
        process = multiprocessing.get_context("spawn").Process(target=_train, args=(options.images, options.steps))
        process.start()
        process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
