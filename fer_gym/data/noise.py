"""Corrupted copies of a training split that remember their truth.

`noise` is None or one of

- "faces", or ("faces", (full, half, none)): the shares of the images with the full face, half of it, and none;
- ("symmetric", rate): the share `rate` of the labels becomes another class, each equally likely;
- ("pair", rate): the share `rate` of the labels c becomes c + 1 (the last class becomes the first);
- ("per_class", rates): as "symmetric", with a rate for each class;
- ("duplicates", (share, sources)): a share of the images becomes near-copies, pictures and labels, of others, which are
  the share `sources` of all images;
- "ferplus": nothing is altered; FER2013's images are marked whose label FER+'s voters contradict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_gym.data.splits import DUPLICATE, FLIPPED, HALF_FACE, NONE_FACE, UNTOUCHED, Split
from fer_gym.errors import UsageError

#: Fractions of full, half and none faces, as in the paper.
FACES = (0.5, 0.25, 0.25)
ALLOWED = (
    'None, "faces", ("faces", (full, half, none)), ("symmetric", rate), ("pair", rate), ("per_class", (rate, ...)), '
    '("duplicates", (share, sources)) or "ferplus", with fractions that sum to 1 and rates in [0, 1]'
)

Noise = tuple[str, tuple[float, ...]]


def check(noise: Any) -> Noise | None:
    """The noise asked for in one form: (kind, its numbers), or None.

    Raises:
        UsageError: if it is none of those allowed.
    """
    if noise is None:
        return None
    kind, numbers = (noise, None) if isinstance(noise, str) else _pair(noise)
    if kind == "faces":
        fractions = FACES if numbers is None else _numbers(noise, numbers)
        if len(fractions) != 3 or not math.isclose(sum(fractions), 1.0, abs_tol=1e-6):
            raise UsageError(
                f"noise: {noise!r} is not allowed, since its fractions sum to {sum(fractions):g}; use three fractions "
                f"(full, half, none) that sum to 1, such as the paper's {FACES}"
            )
        return kind, fractions
    if kind in ("symmetric", "pair") and numbers is not None:
        rate = _numbers(noise, numbers)
        if len(rate) != 1:
            raise _not_allowed(noise)
        return kind, rate
    if kind == "per_class" and numbers is not None:
        return kind, _numbers(noise, numbers)
    if kind == "duplicates" and numbers is not None:
        pair = _numbers(noise, numbers)
        if len(pair) != 2 or pair[1] == 0 or sum(pair) > 1 + 1e-9:
            raise UsageError(
                f"noise: {noise!r} is not allowed; use ('duplicates', (share, sources)), where the sources are more "
                "than 0 and both together at most 1"
            )
        return kind, pair
    if kind == "ferplus" and numbers in (None, ()):
        return kind, ()
    raise _not_allowed(noise)


def _not_allowed(noise: Any) -> UsageError:
    return UsageError(f"noise: {noise!r} is not allowed; use {ALLOWED}")


def _pair(noise: Any) -> tuple[Any, Any]:
    if not isinstance(noise, Sequence) or len(noise) != 2:
        raise _not_allowed(noise)
    return noise[0], noise[1]


def _numbers(noise: Any, numbers: Any) -> tuple[float, ...]:
    values = tuple(numbers) if isinstance(numbers, Sequence) and not isinstance(numbers, str) else (numbers,)
    if not all(isinstance(v, Real) and not isinstance(v, bool) and 0 <= float(v) <= 1 for v in values):
        raise _not_allowed(noise)
    return tuple(float(v) for v in values)


def parse(text: str) -> Noise | None:
    """Read a noise from the command line: the kind, then its numbers, such as faces:.5,.25,.25, symmetric:.2 or none.

    Raises:
        UsageError: if it is none of those.
    """
    kind, colon, numbers = text.partition(":")
    if kind == "none" and not colon:
        return None
    try:
        return check((kind, tuple(float(number) for number in numbers.split(","))) if colon else kind)
    except ValueError as error:
        raise UsageError(
            f"noise: {text!r} is not allowed; use none, faces, faces:FULL,HALF,NONE (which sum to 1), symmetric:RATE, "
            "pair:RATE, per_class:RATE,RATE,... (0 to 1), duplicates:SHARE,SOURCES or ferplus"
        ) from error


def apply(split: Split, noise: Any, classes: int, rng: np.random.Generator) -> Split:
    """A corrupted copy of a split. The input is not altered; arrays that the noise leaves alone are shared with it.

    How many images are altered is exact, up to rounding; which ones and how is drawn from `rng`.

    Args:
        split: N images.
        noise: any of those allowed.
        classes: how many classes there are.
        rng: decides everything.

    Returns:
        The split with `noise` (what was done to each image) and `clean_labels` (the labels before; a duplicate's is its
        source's); the split itself if `noise` is None or "ferplus".

    Raises:
        UsageError: if the noise is none of those allowed, or it is "ferplus" and the split has no FER+ marks.
    """
    asked = check(noise)
    if asked is None:
        return split
    kind, numbers = asked
    if kind == "faces":
        return _faces(split, numbers, rng)
    if kind == "ferplus":
        if split.noise is None:
            raise UsageError("noise: 'ferplus' is not allowed; use it for 'fer2013', which FER+ has votes on")
        return split
    if kind == "duplicates":
        return _duplicates(split, numbers[0], numbers[1], rng)
    return _flip(split, kind, numbers, classes, rng)


def half_face(image: NDArray[np.uint8], right: bool) -> NDArray[np.uint8]:
    """The left or the right half of an image, resized back to the full width.

    Args:
        image: uint8, (C, H, W).
        right: which half, as one sees it.
    """
    width = image.shape[2]
    half = max(width // 2, 1)
    return _resized(image[:, :, width - half :] if right else image[:, :, :half], image.shape)


def none_face(image: NDArray[np.uint8], bottom: bool, right: bool) -> NDArray[np.uint8]:
    """One corner of an image, a quarter as high and as wide, resized back to the full size.

    Args:
        image: uint8, (C, H, W).
        bottom: the bottom corner, else the top one.
        right: the right corner, else the left one.
    """
    _, height, width = image.shape
    high, wide = max(height // 4, 1), max(width // 4, 1)
    rows = slice(height - high, height) if bottom else slice(0, high)
    columns = slice(width - wide, width) if right else slice(0, wide)
    return _resized(image[:, rows, columns], image.shape)


def _resized(part: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    _, height, width = shape
    planes = [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)) for plane in part]
    return np.stack(planes)


def _faces(split: Split, fractions: tuple[float, ...], rng: np.random.Generator) -> Split:
    codes = np.repeat(np.array([UNTOUCHED, HALF_FACE, NONE_FACE], np.int8), _shares(len(split), fractions))
    codes = rng.permutation(codes)
    # Coins for every image, so that the cut of one does not depend on which others are cut.
    coins = rng.integers(0, 2, size=(len(split), 2), dtype=np.int8).astype(bool)
    pixels = np.array(split.pixels)
    for i in np.flatnonzero(codes == HALF_FACE):
        pixels[i] = half_face(split.pixels[i], coins[i, 0])
    for i in np.flatnonzero(codes == NONE_FACE):
        pixels[i] = none_face(split.pixels[i], coins[i, 0], coins[i, 1])
    return Split(pixels, split.labels, split.labels, codes)


def _shares(total: int, fractions: tuple[float, ...]) -> list[int]:
    """Divide `total` by fractions that sum to 1: rounded down, then one more for the largest remainders."""
    exact = [total * fraction for fraction in fractions]
    shares = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def _flip(split: Split, kind: str, rates: tuple[float, ...], classes: int, rng: np.random.Generator) -> Split:
    if classes < 2:
        raise UsageError(f"noise: {kind!r} is not allowed for a single class; use at least two classes")
    if kind == "per_class":
        if len(rates) != classes:
            raise UsageError(f"noise: {(kind, rates)!r} is not allowed; use {classes} rates, one for each class")
        members = [rng.permutation(np.flatnonzero(split.labels == label)) for label in range(classes)]
        chosen = np.concatenate([of[: round(rate * len(of))] for of, rate in zip(members, rates, strict=True)])
    else:
        chosen = rng.permutation(len(split))[: round(rates[0] * len(split))]
    shift = 1 if kind == "pair" else rng.integers(1, classes, size=len(chosen))
    labels = np.array(split.labels)
    labels[chosen] = (labels[chosen] + shift) % classes
    codes = np.full(len(split), UNTOUCHED, np.int8)
    codes[chosen] = FLIPPED
    return Split(split.pixels, labels, split.labels, codes)


def _duplicates(split: Split, share: float, sources: float, rng: np.random.Generator) -> Split:
    """Copies differ from their source as two frames of a film do: by a pixel's shift and a little light."""
    order = rng.permutation(len(split))
    count = min(round(share * len(split)), len(split) - 1)
    copies, others = order[:count], order[count:]
    origins = rng.choice(others[: max(round(sources * len(split)), 1)], count)
    shifts = rng.integers(-1, 2, size=(len(copies), 2))
    light = rng.integers(-8, 9, size=len(copies))
    pixels, labels = np.array(split.pixels), np.array(split.labels)
    for copy, origin, shift, brighter in zip(copies, origins, shifts, light, strict=True):
        padded = np.pad(split.pixels[origin], ((0, 0), (1, 1), (1, 1)), mode="edge")
        moved = np.roll(padded, shift, axis=(1, 2))[:, 1:-1, 1:-1]
        pixels[copy] = np.clip(moved.astype(np.int16) + brighter, 0, 255)
    labels[copies] = split.labels[origins]
    codes = np.full(len(split), UNTOUCHED, np.int8)
    codes[copies] = DUPLICATE
    return Split(pixels, labels, labels, codes)
