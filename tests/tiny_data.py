"""Data sets so small that a test may train on them: a bright band tells the class."""

import numpy as np

from fer_gym.data import Split, Splits


def split(count: int, *, side: int = 16, classes: int = 3, channels: int = 1, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = rng.integers(0, 120, (count, channels, side, side), dtype=np.uint8)
    band = side // classes
    for image, label in zip(pixels, labels, strict=True):
        image[:, label * band : (label + 1) * band] += np.uint8(80)
    return Split(pixels, labels.astype(np.int64))


def splits(
    train: int = 30,
    *,
    held_out: int = 12,
    side: int = 16,
    classes: int = 3,
    channels: int = 1,
    seed: int = 0,
) -> Splits:
    parts = [
        split(count, side=side, classes=classes, channels=channels, seed=3 * seed + part)
        for part, count in enumerate((train, held_out, held_out + 3))
    ]
    return Splits(*parts, tuple("abcdefgh"[:classes]))
