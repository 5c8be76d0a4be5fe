"""What a data set is: three splits of uint8 images with int64 labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym.errors import DatasetError

#: What `Split.noise` says of an image.
UNTOUCHED, HALF_FACE, NONE_FACE, FLIPPED, DOUBTED, DUPLICATE = range(6)
NOISE_NAMES = ("full or untouched", "half face", "none face", "label flipped", "doubted by FER+", "duplicate")


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels. Plain NumPy arrays or memory maps; never written to.

    Attributes:
        pixels: uint8, (N, C, H, W); C is 1 (grey) or 3 (RGB).
        labels: int64, (N,): the label given, which noise may have made wrong.
        clean_labels: int64, (N,): the true label, or None where it is not known apart from `labels`.
        noise: int8, (N,): 0 untouched or full face, 1 half face, 2 none face, 3 label flipped, 4 doubted by
            FER+, 5 a copy of another image; None where no noise was asked for.

    Raises:
        DatasetError: if a dtype or a shape is not as above, or there is no image.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    clean_labels: NDArray[np.int64] | None = None
    noise: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        """Check every array against the others."""
        pixels = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            raise DatasetError(
                f"pixels: found {pixels.dtype} of shape {pixels.shape}, expected uint8 of shape "
                "(N, C, H, W) with C = 1 or 3; scale to 0..255, convert with .astype(np.uint8) and put the "
                "channel second"
            )
        if len(pixels) == 0:
            raise DatasetError("a split has no images; give every split at least one")
        for name, dtype in (("labels", np.int64), ("clean_labels", np.int64), ("noise", np.int8)):
            array = getattr(self, name)
            if array is None and name != "labels":
                continue
            if array.dtype != dtype or array.shape != (len(pixels),):
                raise DatasetError(
                    f"{name}: found {array.dtype} of shape {array.shape}, expected {np.dtype(dtype)} "
                    f"of shape ({len(pixels)},), one entry per image"
                )

    def __len__(self) -> int:
        return len(self.pixels)

    def __deepcopy__(self, memo: dict[int, Any]) -> Split:
        """Return itself: a split is never written to, and `gym.make` deep-copies its keywords."""
        return self

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The images at `indices`, in that order, copied."""
        clean = None if self.clean_labels is None else self.clean_labels[indices]
        noise = None if self.noise is None else self.noise[indices]
        return Split(self.pixels[indices], self.labels[indices], clean, noise)


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set: training, validation and test images of one size, and the names of the classes.

    Raises:
        DatasetError: if image sizes differ, a label is outside 0..len(classes)-1, or a class has no
            training image.
    """

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the splits against each other and the labels against the classes."""
        object.__setattr__(self, "classes", tuple(self.classes))
        for name in ("train", "val", "test"):
            split: Split = getattr(self, name)
            if split.pixels.shape[1:] != self.train.pixels.shape[1:]:
                raise DatasetError(
                    f"{name}: images of shape {split.pixels.shape[1:]}, but the training images are "
                    f"{self.train.pixels.shape[1:]}; resize them to one size and mode"
                )
            wrong = np.flatnonzero((split.labels < 0) | (split.labels >= len(self.classes)))
            if len(wrong):
                row = int(wrong[0])
                raise DatasetError(
                    f"{name}: label {split.labels[row]} of image {row} is outside 0..{len(self.classes) - 1} "
                    f"({len(self.classes)} classes); correct the label or name the class"
                )
        counts = np.bincount(self.train.labels, minlength=len(self.classes))
        if not counts.all():
            missing = [name for name, count in zip(self.classes, counts, strict=True) if count == 0]
            raise DatasetError(f"no training image of class {', '.join(missing)}; remove the class or raise the limit")

    def __deepcopy__(self, memo: dict[int, Any]) -> Splits:
        """Return itself, as `Split` does."""
        return self

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify these images, labels and marks of noise."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for split in (self.train, self.val, self.test):
            for array in (split.pixels, split.labels, split.clean_labels, split.noise):
                if array is not None:
                    digest.update(f"{array.dtype.str} {array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).data)
                else:
                    digest.update(b"none")
        return digest.hexdigest()[:16]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, channels, height, width = self.train.pixels.shape
        return channels, height, width
