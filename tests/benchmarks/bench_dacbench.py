"""RegTune-v0's time per training batch against DACBench's `SGD-v0` batch step, in pairs.

DACBench has an environment of its own (it wants torchvision), where its side runs as a process that answers each line
with the seconds of a step:

    python -m venv dacbench && dacbench/bin/pip install dacbench torch torchvision
    python tests/benchmarks/bench_dacbench.py --python dacbench/bin/python

Same network (the small one), batch size, images (28x28 grey noise in MNIST's files, as many for training and
validation), threads and AdamW's family. A step of DACBench trains one batch and evaluates a tenth of its validation
split; a chunk of RegTune-v0 trains N batches and evaluates m. Both defaults stay; the line says how many images each
evaluates for a training batch.

Without --python it says how, and measures nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np

from fer_gym.data import Split, Splits

_SIDE = 28
_CLASSES = 10
# DACBench takes so much of MNIST's 60,000 training images for training, the rest for validation.
_TRAIN_SHARE = 0.9


def _noise(count: int) -> Split:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 1, _SIDE, _SIDE), dtype=np.uint8)
    return Split(pixels, np.arange(count) % _CLASSES)


def _ours(batch_size: int, precision: str) -> tuple[gym.Env, int]:
    train = round(60_000 * _TRAIN_SHARE)
    splits = Splits(_noise(train), _noise(60_000 - train), _noise(1_000), tuple("abcdefghij"))
    env = gym.make(
        "fer_gym:RegTune-v0", dataset=splits, batch_size=batch_size, chunks=10**6, precision=precision, device="cpu"
    )
    env.reset(seed=0)
    return env, env.unwrapped.chunk_size


def main() -> None:
    """Print a line for each precision: what, against what, the median ratio of the pairs, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="the interpreter of an environment with DACBench")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=10)
    options = parser.parse_args()
    if options.python is None:
        print("DACBench's SGD-v0: not measured; give --python, see --help")
        return
    theirs = subprocess.Popen(
        [options.python, Path(__file__).with_name("dacbench_steps.py"), str(options.batch_size), str(_TRAIN_SHARE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert theirs.stdin is not None
    assert theirs.stdout is not None

    def their_step() -> float:
        theirs.stdin.write("step\n")
        theirs.stdin.flush()
        answer = theirs.stdout.readline()
        if not answer:
            sys.exit("DACBench's process ended; its error is above")
        return float(answer)

    for precision, target in (("fp32", 5), ("auto", 10)):
        env, batches = _ours(options.batch_size, precision)
        base = env.unwrapped
        action = np.zeros(env.action_space.shape, np.float32)

        def our_batch(env: gym.Env = env, action: np.ndarray = action, batches: int = batches) -> float:
            start = time.perf_counter()
            env.step(action)
            return (time.perf_counter() - start) / batches

        our_batch()
        their_step()
        pairs = np.array([(our_batch(), their_step()) for _ in range(options.pairs)])
        ratios = np.sort(pairs[:, 1] / pairs[:, 0])
        ours, reference = 1e3 * np.median(pairs, axis=0)
        evaluated = base.val_batches * options.batch_size / batches
        print(
            f"RegTune-v0, a training batch of {options.batch_size}, {precision} ({ours:.1f} ms, {evaluated:,.0f} "
            f"images evaluated for it) | DACBench's SGD-v0 batch step ({reference:.1f} ms, "
            f"{60_000 * (1 - _TRAIN_SHARE) / 10:,.0f} evaluated) | {np.median(ratios):.1f} x "
            f"[{ratios[0]:.1f}, {ratios[-1]:.1f}] | target {target} x",
            flush=True,
        )
    theirs.stdin.close()
    theirs.wait()


if __name__ == "__main__":
    main()
