"""Images of noise in FER2013's form: for timings that do not ask what is in them."""

from __future__ import annotations

import numpy as np

from fer_gym.data import Split, Splits


def noise_images(count: int) -> Split:
    """48x48 grey, seven classes."""
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (count, 1, 48, 48), dtype=np.uint8), np.arange(count) % 7)


def noise_splits(train: int, held_out: int = 70) -> Splits:
    """So many training images, and as many of validation as of test."""
    return Splits(noise_images(train), noise_images(held_out), noise_images(held_out), tuple("abcdefg"))
