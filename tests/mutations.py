"""Damaged copies of files: whatever is wrong with them, a loader must say so or load them."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fer_gym import DatasetError


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three random changes, half of them near an end, where formats have what tells their structure."""
    for _ in range(rng.integers(1, 4)):
        near = int(rng.choice([len(data), min(len(data), 200)]))
        start = int(rng.integers(near + 1))
        if rng.random() < 0.3:
            start = len(data) - start
        stop = min(start + int(rng.integers(1, 20)), len(data))
        kind = rng.integers(5)
        if kind == 0:
            changed = bytearray(data)
            for place in range(start, min(start + int(rng.integers(1, 3)), len(data))):
                changed[place] ^= 1 << int(rng.integers(8))
            data = bytes(changed)
        elif kind == 1:
            data = data[:start]
        elif kind == 2:
            data = data[:start] + data[stop:]
        elif kind == 3:
            data = data[:stop] + data[start:]
        else:
            lines = data.split(b"\n")
            one, other = rng.integers(len(lines), size=2)
            lines[one], lines[other] = lines[other], lines[one]
            data = b"\n".join(lines)
    return data


def check_loads_or_refuses(files: Sequence[Path], load: Callable[[], object], times: int = 1000) -> None:
    """Damage one of the files after another: loading them succeeds or is a DatasetError, and some of each happens."""
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(times):
        path = files[number % len(files)]
        whole = path.read_bytes()
        path.unlink()  # some file systems take long to write over a file
        path.write_bytes(mutated(whole, rng))
        os.utime(path, ns=(number, number))  # so that no cached copy is taken for it
        try:
            with contextlib.suppress(DatasetError):
                load()
                refused -= 1
            refused += 1
        finally:
            path.unlink()
            path.write_bytes(whole)
    assert 0 < refused < times
