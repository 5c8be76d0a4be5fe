"""Damage every format's inputs many times: `make fuzz`, or `python tests/fuzz/run.py --inputs 1000 CIFAR-100 TOML`.

Counts the outcomes. A fault is an exception that the reader does not document, an input that takes longer than
5 seconds, or memory that grows by more than 200 MB and twice the input's size; its number makes the same input again:
`--first NUMBER --inputs 1`.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

SECONDS = 5
MEGABYTES = 200


class Hang(BaseException):
    """Not an `Exception`, which a reader might catch."""


def _hangs(number: int, frame: FrameType | None) -> NoReturn:
    raise Hang


def fuzz(name: str, first: int, inputs: int) -> tuple[str, dict[str, int], float, float, list[str]]:
    """Damage a format's inputs.

    Args:
        name: the format's.
        first: number of the first input.
        inputs: how many.

    Returns:
        The name, the inputs by outcome, the slowest one's seconds, the growth of memory in MB, and the faults.
    """
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hangs)
    outcomes: collections.Counter[str] = collections.Counter()
    slowest, faults, size = 0.0, [], 0
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nothing:
        os.environ["FER_GYM_CACHE"] = str(Path(folder) / "cache")
        (Path(folder) / "cache").mkdir()
        (Path(folder) / "files").mkdir()
        with contextlib.redirect_stderr(nothing):
            from formats import FORMATS

            of = FORMATS[name](Path(folder) / "files")
            before = 0
            for number in range(first, first + inputs):
                start = time.perf_counter()
                signal.setitimer(signal.ITIMER_REAL, SECONDS)
                try:
                    size = of.attempt(np.random.default_rng(number))
                    outcomes["read"] += 1
                except of.refusals as error:
                    outcomes[type(error).__name__] += 1
                except Hang:
                    faults.append(f"{name}, input {number}: longer than {SECONDS} s")
                except Exception:
                    faults.append(f"{name}, input {number}: {traceback.format_exc()}")
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                slowest = max(slowest, time.perf_counter() - start)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                before = before or peak  # after the first, for which modules are imported
                if peak - before > MEGABYTES + 2 * size / 1e6:
                    faults.append(f"{name}, input {number}: memory grew by {peak - before:.0f} MB")
                    before = peak
    return name, dict(outcomes), slowest, peak - before, faults


def main() -> None:
    """Fuzz every format in processes of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="FORMAT", help="by default all")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    from formats import FORMATS

    wrong = 0
    print("| format | inputs | outcomes | slowest, ms | memory, MB |\n|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.workers, context, max_tasks_per_child=1) as pool:
        waiting = [pool.submit(fuzz, name, options.first, options.inputs) for name in options.names or FORMATS]
        for future in concurrent.futures.as_completed(waiting):
            name, outcomes, slowest, growth, faults = future.result()
            counts = ", ".join(f"{outcome} {count:,}" for outcome, count in sorted(outcomes.items()))
            print(f"| {name} | {options.inputs:,} | {counts} | {1000 * slowest:.0f} | {growth:.0f} |", flush=True)
            print(*faults, sep="\n", end="\n" if faults else "", flush=True)
            wrong += len(faults)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
