"""Decode one picture, or say what is wrong with it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_gym.data import text_files
from fer_gym.errors import DatasetError

#: The endings that loaders take for pictures.
ENDINGS = (".png", ".jpg", ".jpeg")
#: A picture of a face that is larger than this is taken for a decompression bomb: 2048 x 2048.
MAX_PIXELS = 1 << 22
#: A picture that a face is cut from may be so large: 8192 x 8192.
MAX_SCENE_PIXELS = 1 << 26
#: The largest file that is read for one: that many pixels without compression.
MAX_FILE_BYTES = 4 * MAX_SCENE_PIXELS
# A larger picture than `MAX_PIXELS` has no more pixels than this for each byte of its file: a JPEG of one colour has
# some 60, a photograph 6. Else a few bytes, whose header is damaged, would unpack to hundreds of megabytes.
_MAX_PIXELS_PER_BYTE = 200
_SCENES = ("JPEG", "PNG", "BMP", "TIFF")
#: The left, top, right and bottom edge of a face, in pixels.
Box = tuple[int, int, int, int]
_MODES = {"L": "grey", "RGB": "colour"}


def read(path: Path, at_most: int = -1) -> bytes:
    """The bytes of a picture's file, or so many of them.

    Raises:
        DatasetError: if it is no regular file, cannot be read, or is larger than `MAX_FILE_BYTES`.
    """
    size = text_files.check_regular(path)
    if at_most < 0 and size > MAX_FILE_BYTES:
        raise DatasetError(f"{path}: {size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed; resize the picture")
    with text_files.readable(path), path.open("rb") as file:
        return file.read(at_most)


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
    with _opened(data, where, ("JPEG", "PNG"), MAX_PIXELS) as image:
        _check(image, where, expected)
        return _channels_first(image)


def decode_face(
    data: bytes, where: str, image_size: int, *, grey: bool = False, box: Box | None = None
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, BMP or TIFF picture, cut a face from it and resize that to a square, bilinearly.

    Args:
        data: the file's bytes.
        where: the file, and what says that the face is in it, for error messages.
        image_size: the square's side, in pixels. A picture of this size stays as it is.
        grey: mix the colours to one channel.
        box: where the face is; clipped to the picture. None takes the whole picture.

    Returns:
        uint8, (C, image_size, image_size); C is 1 if `grey`, else 3.

    Raises:
        DatasetError: if the picture is empty, truncated, none or too large, or no pixel of it is in the box.
    """
    with _opened(data, where, _SCENES, MAX_SCENE_PIXELS) as image:
        width, height = image.size
        left, top, right, bottom = box or (0, 0, width, height)
        inside = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            raise DatasetError(
                f"{where}: the face is from ({left}, {top}) to ({right}, {bottom}), where the picture of "
                f"{width}x{height} pixels has none; correct the box or remove the line"
            )
        # Cut out first: resized within the whole picture, a face's edges would mix with what is around it.
        face = image.crop(inside) if inside != (0, 0, width, height) else image
        mode = "L" if grey else "RGB"
        face = face if face.mode == mode else face.convert(mode)  # either would copy a picture that stays as it is
        return _channels_first(face.resize((image_size, image_size), Image.Resampling.BILINEAR))


@contextlib.contextmanager
def _opened(data: bytes, where: str, formats: tuple[str, ...], most_pixels: int) -> Iterator[Image.Image]:
    """A picture of which the header has been read; what goes wrong with it in the block is a DatasetError."""
    if not data:
        raise DatasetError(f"{where}: the picture is empty (0 bytes); restore or remove it")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            # No pixel is decoded yet, so a bomb is refused before it unpacks.
            width, height = image.size
            allowed = min(most_pixels, max(MAX_PIXELS, _MAX_PIXELS_PER_BYTE * len(data)))
            if width * height > allowed:
                raise DatasetError(
                    f"{where}: {width}x{height} pixels in {len(data):,} bytes, more than the {allowed:,} allowed (a "
                    "decompression bomb?); crop it to the face and resize it"
                )
            yield image
    except DatasetError:
        raise
    except Exception as error:
        # On broken files Pillow raises many kinds: OSError, SyntaxError, struct.error, ...
        names = f"{', '.join(formats[:-1])} or {formats[-1]}"
        raise DatasetError(
            f"{where}: not a readable {names} picture, or a truncated one ({error}); restore or remove it"
        ) from error


def _channels_first(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check(image: Image.Image, where: str, expected: tuple[int, int, int] | None) -> None:
    width, height = image.size
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
