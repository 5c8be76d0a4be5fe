"""Flips and shifts against what NumPy makes of the same draws."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_gym.training.augmentation import Augmentation

SIDE = 6
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (6, 2, SIDE, SIDE), dtype=np.uint8))


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(image: np.ndarray, down: int, right: int, border: str) -> np.ndarray:
    """NumPy's padding, and a cut out of it."""
    pad = SIDE - 1
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="constant" if border == "zeros" else "reflect")
    return padded[:, pad - down : pad - down + SIDE, pad - right : pad - right + SIDE]


@settings(deadline=None)
@given(st.booleans(), st.integers(0, SIDE - 1), st.sampled_from(("zeros", "reflect")), st.integers(0, 2**32))
def test_each_image_is_one_of_those_that_numpy_makes(flip, shift, border, seed):
    changed = Augmentation(flip, shift, border)(IMAGES, drawn(seed)).numpy()
    assert changed.dtype == np.uint8
    assert changed.shape == tuple(IMAGES.shape)
    span = range(-shift, shift + 1)
    for before, after in zip(IMAGES.numpy(), changed, strict=True):
        sources = (before, before[:, :, ::-1]) if flip else (before,)
        assert any(
            np.array_equal(moved(source, down, right, border), after)
            for source in sources
            for down in span
            for right in span
        )


def test_every_flip_and_shift_comes_equally_often():
    image = torch.zeros((9000, 1, 5, 5), dtype=torch.uint8)
    image[:, 0, 2, 1] = 1  # off the middle: a flip shows
    places = Augmentation(flip=True, shift=1)(image, drawn(0))[:, 0].flatten(1).argmax(dim=1)
    counts = torch.bincount(places, minlength=25).view(5, 5)
    # Unflipped in the columns 0 to 2, flipped in 2 to 4; the middle column is reached both ways.
    expected = 500 * torch.tensor([[0, 0, 0, 0, 0], [1, 1, 2, 1, 1], [1, 1, 2, 1, 1], [1, 1, 2, 1, 1], [0, 0, 0, 0, 0]])
    assert torch.equal(counts > 0, expected > 0)
    assert (counts - expected).abs().max() < 5 * 1000**0.5


def test_nothing_is_nothing():
    generator = drawn(0)
    before = generator.get_state()
    assert Augmentation()(IMAGES, generator) is IMAGES
    assert torch.equal(generator.get_state(), before)
    assert Augmentation.of(None) == Augmentation.of({}) == Augmentation()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("flip", "augment: 'flip' is not allowed; use a mapping"),
        ({"rotate": 3}, "augment: 'rotate' is unknown; use 'flip', 'shift', 'border'"),
        ({"flip": "yes"}, "augment: flip: 'yes' is not allowed; use True or False"),
        ({"shift": -1}, "augment: shift: -1 is not allowed; use a whole number of at least 0"),
        ({"shift": 2.0}, "augment: shift: 2.0 is not allowed"),
        ({"border": "wrap"}, "augment: border: 'wrap' is unknown; use 'zeros', 'reflect'"),
    ],
)
def test_bad_values(given, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(")):
        Augmentation.of(given)


def test_a_shift_longer_than_the_image():
    Augmentation(shift=SIDE - 1).check_fits(SIDE)
    with pytest.raises(ValueError, match="images of 6x6 take at most 5"):
        Augmentation(shift=SIDE).check_fits(SIDE)


def test_numpys_numbers_are_the_same_settings():
    ours, theirs = Augmentation(np.True_, np.int64(4)), Augmentation(True, 4)
    assert json.dumps(dataclasses.asdict(ours)) == json.dumps(dataclasses.asdict(theirs))
