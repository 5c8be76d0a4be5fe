"""Random changes of the training images that leave their labels: a horizontal flip, a shift by a few pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fer_gym.checks import check_choice, check_count, check_flag
from fer_gym.errors import UsageError

#: What a shift uncovers: black pixels, or the image mirrored at its border, whose pixels are not doubled.
BORDERS = ("zeros", "reflect")


@dataclass(frozen=True)
class Augmentation:
    """What happens to each image of a training batch, drawn anew each time; evaluation sees the images as they are.

    Attributes:
        flip: mirror left and right, with probability 1/2.
        shift: by -shift to shift pixels along each axis, every whole number as likely.
        border: "zeros" or "reflect", see `BORDERS`.

    Raises:
        ValueError: naming the keyword and what is allowed.
    """

    flip: bool = False
    shift: int = 0
    border: str = "zeros"

    def __post_init__(self) -> None:
        """Check the values."""
        check_flag("augment: flip", self.flip)
        check_count("augment: shift", self.shift, least=0)
        check_choice("augment: border", self.border, BORDERS)
        # NumPy's are allowed, but no JSON values.
        object.__setattr__(self, "flip", bool(self.flip))
        object.__setattr__(self, "shift", int(self.shift))

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Augmentation:
        """From an environment's keyword: None, or a mapping of this class's attributes.

        Raises:
            ValueError: if it is no such mapping.
        """
        if not isinstance(given, Mapping | None):
            raise UsageError(f"augment: {given!r} is not allowed; use a mapping such as {{'flip': True, 'shift': 4}}")
        for name in given or ():
            check_choice("augment", name, cls.__dataclass_fields__)
        return cls(**given or {})

    def check_fits(self, side: int) -> None:
        """Raise if a shift is longer than an image of that side allows.

        Raises:
            ValueError: if it is.
        """
        if self.shift >= side:
            raise UsageError(
                f"augment: shift {self.shift} is not allowed; images of {side}x{side} take at most {side - 1}"
            )

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return self.flip or self.shift > 0

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """The images, changed: each by a draw of its own.

        Nothing is read back from the device.

        Args:
            pixels: uint8, (B, C, H, W).
            generator: on their device.

        Returns:
            uint8, (B, C, H, W).
        """
        if not self.changes:
            return pixels
        size, channels, height, width = pixels.shape
        draws = torch.rand((3, size), generator=generator, device=pixels.device)
        down, right = ((draws[:2] * (2 * self.shift + 1)).long() - self.shift)[:, :, None]
        rows = torch.arange(height, device=pixels.device) - down  # (B, H): where each row comes from
        columns = torch.arange(width, device=pixels.device) - right
        if self.flip:
            columns = torch.where(draws[2, :, None] < 0.5, width - 1 - columns, columns)
        # Along each row, then whole rows at once: a quarter of the time of indexing by both, on CPU.
        moved = pixels.gather(3, _inside(columns, width)[:, None, None].expand(pixels.shape))
        of_image = torch.arange(size * channels, device=pixels.device).view(size, channels, 1) * height
        moved = moved.view(-1, width).index_select(0, (of_image + _inside(rows, height)[:, None]).flatten())
        moved = moved.view(pixels.shape)
        if self.border == "zeros":
            there = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
            moved = moved * there[:, None]
        return moved


def _inside(places: Tensor, length: int) -> Tensor:
    """Places along an axis, those outside mirrored at its first or last pixel."""
    places = places.abs()
    return torch.where(places >= length, 2 * (length - 1) - places, places)
