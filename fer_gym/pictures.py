"""Arrays as Pillow pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def to_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """An image, uint8 (C, H, W), as a picture: grey where C is 1, RGB where it is 3."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
