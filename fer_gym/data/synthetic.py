"""The embedded data set: drawn faces, whose expression is a set of facial action units.

What makes it hard: expressions from barely visible to full, units that fail to show, stray activity of
others, resting faces that resemble an expression, and all that has nothing to do with expression (identity,
pose, light, occlusion, blur, noise).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_gym.checks import check_count
from fer_gym.data import cache, face_drawing
from fer_gym.data.face_drawing import ACTION_UNITS, SIDE, Activity
from fer_gym.data.splits import Split, Splits
from fer_gym.progress import progress

#: To be raised whenever a change here or in `face_drawing` changes a pixel: cached pictures are then drawn anew.
VERSION = 1

#: FER2013's expressions in FER2013's order, each the action units of its prototype, with intensities 0 to 1.
EXPRESSIONS: dict[str, dict[int, float]] = {
    "angry": {4: 1.0, 5: 0.4, 7: 0.8, 17: 0.4, 23: 0.9},
    "disgust": {4: 0.4, 7: 0.4, 9: 1.0, 10: 0.9, 15: 0.4, 16: 0.5, 25: 0.4},
    "fear": {1: 0.9, 2: 0.5, 4: 0.6, 5: 0.8, 20: 0.9, 25: 0.7, 26: 0.3},
    "happy": {6: 0.8, 12: 1.0, 25: 0.7},
    "sad": {1: 0.9, 4: 0.5, 15: 0.9, 17: 0.5, 43: 0.4},
    "surprise": {1: 0.9, 2: 1.0, 5: 0.7, 25: 0.6, 26: 1.0},
    "neutral": {},
}
CLASSES = tuple(EXPRESSIONS)

#: Labels are dealt from a deck of cards, one for each picture; each class has as many cards as its number occurs here.
#: Happy is frequent and disgust rare as in FER2013, but mildly (its disgust is 1.5 %): macro F1 is stable.
DECK = np.repeat(np.arange(len(CLASSES)), (3, 2, 3, 4, 3, 2, 3))
#: Disgust and surprise are one picture in forty each, fear is two.
RARE_DECK = np.repeat(np.arange(len(CLASSES)), (8, 1, 2, 12, 6, 1, 10))

SPLITS = ("training", "validation", "test")


def load(*, seed: int = 0, train: int = 3500, val: int = 700, test: int = 700, rare: bool = False) -> Splits:
    """Draw the data set, or map it from the cache.

    A picture depends on the seed, its split and its index alone: a larger set extends a smaller one.

    Args:
        seed: non-negative; another seed gives other pictures of the same kind.
        train: number of training images.
        val: number of validation images.
        test: number of test images.
        rare: deal the training images from `RARE_DECK`. Validation and test images stay the same.

    Returns:
        Splits of grey images, uint8 (N, 1, 48, 48), with labels int64 (N,) of the seven `CLASSES`.

    Raises:
        UsageError: if the seed is negative, or a size is not positive.
        DatasetError: if the training set is too small to hold every class (a deck of images always does), or the
            cache folder cannot be written to.
    """
    for name, value, least in (("seed", seed, 0), ("train", train, 1), ("val", val, 1), ("test", test, 1)):
        check_count(name, value, least=least)
    return Splits(
        train=_cached_split(int(seed), 0, int(train), rare),
        val=_cached_split(int(seed), 1, int(val)),
        test=_cached_split(int(seed), 2, int(test)),
        classes=CLASSES,
    )


def _cached_split(seed: int, split: int, size: int, rare: bool = False) -> Split:
    """`draw_split` from the cache, drawn if it is not there."""

    def build(folder: Path) -> None:
        drawn = draw_split(seed, split, size, RARE_DECK if rare else DECK)
        np.save(folder / "pixels.npy", drawn.pixels)
        np.save(folder / "labels.npy", drawn.labels)

    key = {"version": VERSION, "seed": seed, "split": split, "size": size}
    arrays = cache.cached("synthetic-rare" if rare else "synthetic", key, build)
    return Split(arrays["pixels"], arrays["labels"])


def draw_split(seed: int, split: int, size: int, deck: NDArray[np.int64] = DECK) -> Split:
    """The first `size` pictures of a split (0 training, 1 validation, 2 test), with their labels."""
    labels = draw_labels(seed, split, size, deck)
    pixels = np.empty((size, 1, SIDE, SIDE), np.uint8)
    with progress(f"drawing the synthetic {SPLITS[split]} faces", size) as bar:
        for index, label in enumerate(labels):
            pixels[index, 0] = draw_picture(CLASSES[label], np.random.default_rng([seed, split, index]))
            bar.advance()
    return Split(pixels, labels)


def draw_labels(seed: int, split: int, size: int, deck: NDArray[np.int64] = DECK) -> NDArray[np.int64]:
    """Labels, int64 (size,): the deck, shuffled anew whenever it is used up."""
    decks = math.ceil(size / len(deck))
    # The last number keeps these generators apart from the pictures'.
    dealt = [np.random.default_rng([seed, split, number, 1]).permutation(deck) for number in range(decks)]
    return np.concatenate(dealt)[:size].astype(np.int64)


def draw_picture(expression: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture, uint8 (48, 48), of a random person showing the expression in random circumstances."""
    canvas = face_drawing.draw_background(rng)
    pen = face_drawing.Pen()
    face_drawing.Face(pen, face_drawing.draw_identity(rng), *draw_activity(expression, rng)).draw()
    face_drawing.occlude(pen, rng)
    pen.draw(canvas, face_drawing.draw_pose(rng))
    return face_drawing.photograph(canvas, rng)


def draw_activity(expression: str, rng: np.random.Generator) -> tuple[Activity, Activity]:
    """Intensities of all the action units, on the picture's left and right half of the face."""
    prototype = np.array([EXPRESSIONS[expression].get(unit, 0.0) for unit in ACTION_UNITS])
    # Never quite nothing, often weak: the weak ones are what no classifier can settle.
    intensity = rng.uniform(0.4, 1.2)
    units = len(ACTION_UNITS)
    shown = rng.uniform(0.6, 1.2, units) * (rng.random(units) > 0.08)
    stray = np.abs(rng.normal(0.0, 0.08, units)) * (rng.random(units) < 0.4)
    lopsided = rng.normal(0.0, 0.08, units)
    amount = intensity * shown * prototype + stray
    halves = (amount * (1.0 - lopsided), amount * (1.0 + lopsided))
    left, right = (dict(zip(ACTION_UNITS, half.tolist(), strict=True)) for half in halves)
    return left, right
