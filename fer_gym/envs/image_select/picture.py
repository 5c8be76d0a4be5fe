"""What ImageSelect-v0 renders: the current image, those retained and removed so far, the keep ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_gym.data import Splits
from fer_gym.envs.window import Window
from fer_gym.pictures import to_picture

_WIDTH, _HEIGHT = 640, 360
_CURRENT, _THUMBNAIL, _COLUMNS, _ROWS = 192, 48, 7, 2
_LEFT, _TOP = 280, 48
_INK, _PAPER, _KEPT, _REMOVED = (24, 24, 27), (250, 250, 249), (22, 128, 61), (185, 28, 28)


class WalkPicture(Window):
    """Draws a walk as 640x360 pixels.

    Args:
        splits: the data that is walked.
    """

    def __init__(self, splits: Splits) -> None:
        super().__init__("ImageSelect-v0", (_WIDTH, _HEIGHT))
        self._splits = splits

    def draw(self, order: NDArray[np.int64], retained: bytearray, position: int) -> NDArray[np.uint8]:
        """The frame at `position` of the walk: uint8, (360, 640, 3)."""
        picture = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
        canvas = ImageDraw.Draw(picture)
        train, classes = self._splits.train, self._splits.classes
        current = order[min(position, len(order) - 1)]
        picture.paste(self._image(int(current), _CURRENT), (40, 64))
        canvas.text((40, 40), f"image {min(position + 1, len(order))} of {len(order)}", _INK)
        canvas.text((40, 264), f"label: {classes[train.labels[current]]}", _INK)
        flags = np.frombuffer(bytes(retained), dtype=np.bool_)[:position]
        keep_ratio = flags.mean() if position else 0.0
        canvas.text((40, 284), f"keep ratio: {keep_ratio:.3f}", _INK)
        canvas.rectangle((40, 304, 40 + _CURRENT, 314), _REMOVED if position else (214, 211, 209))
        if keep_ratio > 0:
            canvas.rectangle((40, 304, 40 + round(_CURRENT * keep_ratio), 314), _KEPT)
        self._row_of_latest(picture, canvas, "retained", _KEPT, order[:position][flags], _TOP)
        self._row_of_latest(picture, canvas, "removed", _REMOVED, order[:position][~flags], _TOP + 146)
        return np.array(picture)

    def _row_of_latest(
        self,
        picture: Image.Image,
        canvas: ImageDraw.ImageDraw,
        name: str,
        colour: tuple[int, int, int],
        indices: NDArray[np.int64],
        top: int,
    ) -> None:
        canvas.text((_LEFT, top - 8), f"{name}: {len(indices)}", colour)
        for place, index in enumerate(indices[::-1][: _COLUMNS * _ROWS]):
            left, upper = (
                _LEFT + place % _COLUMNS * (_THUMBNAIL + 2),
                top + 12 + place // _COLUMNS * (_THUMBNAIL + 2),
            )
            picture.paste(self._image(int(index), _THUMBNAIL), (left, upper))

    def _image(self, index: int, side: int) -> Image.Image:
        return (
            to_picture(self._splits.train.pixels[index]).resize((side, side), Image.Resampling.NEAREST).convert("RGB")
        )
