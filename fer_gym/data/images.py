"""Decode one picture, or say what is wrong with it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_gym.errors import DatasetError

#: The endings that loaders take for pictures.
ENDINGS = (".png", ".jpg", ".jpeg")
#: A picture of a face that is larger than this is taken for a decompression bomb: 2048 x 2048.
MAX_PIXELS = 1 << 22
_MODES = {"L": "grey", "RGB": "colour"}


def read(path: Path) -> bytes:
    """The bytes of a picture's file; DatasetError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); restore the file or its permissions") from error


def decode(data: bytes, where: str, expected: tuple[int, int, int] | None = None) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG picture.

    Args:
        data: the file's bytes.
        where: the file or zip member, for error messages.
        expected: the shape (C, H, W) that the picture must have; None takes any grey or RGB one.

    Returns:
        uint8, (C, H, W); C is 1 for mode L and 3 for mode RGB.

    Raises:
        DatasetError: if it is empty, truncated, no picture, too large, or of another size or mode.
    """
    if not data:
        raise DatasetError(f"{where}: the picture is empty (0 bytes); restore or remove it")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            # The header is read and no pixel decoded yet, so a bomb is refused before it unpacks.
            _check(image, where, expected)
            pixels = np.asarray(image)
    except DatasetError:
        raise
    except Exception as error:
        # On broken files Pillow raises many kinds: OSError, SyntaxError, struct.error, ...
        raise DatasetError(
            f"{where}: not a readable JPEG or PNG picture, or a truncated one ({error}); restore or remove it"
        ) from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check(image: Image.Image, where: str, expected: tuple[int, int, int] | None) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DatasetError(
            f"{where}: {width}x{height} pixels, more than the {MAX_PIXELS:,} allowed (a decompression "
            "bomb?); crop it to the face and resize it"
        )
    if image.mode not in _MODES:
        raise DatasetError(f"{where}: a picture of mode {image.mode}, expected L (grey) or RGB; convert it")
    if expected is None:
        return
    channels, high, wide = expected
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        raise DatasetError(
            f"{where}: a picture of mode {image.mode} ({_MODES[image.mode]}), expected {mode} "
            f"({_MODES[mode]}); convert it"
        )
    if (width, height) != (wide, high):
        raise DatasetError(f"{where}: a picture of {width}x{height} pixels, expected {wide}x{high}; resize it")
