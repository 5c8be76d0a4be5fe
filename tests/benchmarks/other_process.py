"""Work timed in a process of its own.

What a user would write without fer-gym runs under the process's own settings: a `Trainer` tells the C library to keep
freed memory, which would speed up a loop beside it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

_work: Callable[[], object]


def seconds(work: Callable[[], object]) -> float:
    """What `work` takes, here."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class OtherProcess:
    """What `make()` returns, made once and timed in a process of its own; `make` can be pickled."""

    def __init__(self, make: Callable[[], Callable[[], object]]) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(1, _begin, (make,))

    def seconds(self) -> float:
        """What the work takes, there."""
        return self._pool.apply(_seconds)

    def close(self) -> None:
        """End the process."""
        self._pool.terminate()


def _begin(make: Callable[[], Callable[[], object]]) -> None:
    global _work
    _work = make()


def _seconds() -> float:
    return seconds(_work)
