"""Pictures whose header says more than the file holds, and large ones that are whole."""

import io
import struct

import numpy as np
import pytest
from listed_faces import picture
from PIL import Image

from fer_gym import DatasetError
from fer_gym.data import images


def test_a_damaged_height_does_not_fill_the_memory() -> None:
    """Pillow would unpack 25 million pixels of 600 bytes: 240 MB."""
    whole = picture(7, (12, 12), "TIFF")
    height = struct.pack("<HHII", 257, 4, 1, 12)  # tag, 32 bits, one value, the value
    assert whole.count(height) == 1
    damaged = whole.replace(height, struct.pack("<HHII", 257, 4, 1, 2_105_356))
    with pytest.raises(DatasetError, match=r"face: 12x2105356 pixels in \d+ bytes, more than the 4,194,304 allowed"):
        images.decode_face(damaged, "face", 8)


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_a_large_picture_is_read(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    assert pixels.size / 3 > images.MAX_PIXELS
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    whole = images.decode_face(file.getvalue(), "face", 40)
    boxed = images.decode_face(file.getvalue(), "face", 40, box=(-1, 0, 3200, 2400))
    assert whole.shape == (3, 40, 40)
    np.testing.assert_array_equal(whole, boxed)


def test_a_picture_of_the_size_asked_for_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    found = images.decode_face(file.getvalue(), "face", 8)
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))
    grey = images.decode_face(file.getvalue(), "face", 8, grey=True)
    np.testing.assert_array_equal(grey[0], np.asarray(Image.fromarray(pixels).convert("L")))
