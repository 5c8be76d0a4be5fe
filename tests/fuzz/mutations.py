"""Damaged copies of files' bytes."""

import numpy as np


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
