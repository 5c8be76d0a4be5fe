"""A picture of a split: some images of each class in a row, framed in the colour of their noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_gym.data.splits import DOUBTED, FLIPPED, NOISE_NAMES, UNTOUCHED, Split
from fer_gym.pictures import to_picture

# Okabe and Ito's colours, which the colour-blind can tell apart, in the order of NOISE_NAMES.
_COLOURS = ("#c8c8c8", "#e69f00", "#d55e00", "#cc79a7", "#0072b2", "#009e73")
_INK, _FAINT, _PAPER = "#222222", "#777777", "#ffffff"
# In pixels: an image's height, its frame, and so on.
_TILE, _FRAME, _GAP, _MARGIN, _TEXT = 64, 3, 4, 14, 13


def contact_sheet(split: Split, classes: Sequence[str], per_class: int = 12) -> Image.Image:
    """Draw a row of images for each class, by the label given.

    Where the split is noisy, an image's frame has the colour of what was done to it, and below an image
    whose label is not its true class stands that class.

    Args:
        split: the images.
        classes: their names.
        per_class: at most so many images a row, evenly spaced over the class's.

    Returns:
        An RGB picture.
    """
    _, high, wide = split.pixels.shape[1:]
    width = max(round(_TILE * wide / high), 1)
    font, small = ImageFont.load_default(_TEXT), ImageFont.load_default(_TEXT - 3)
    kinds = [] if split.noise is None else np.unique(split.noise).tolist()
    truths = split.clean_labels if {FLIPPED, DOUBTED}.intersection(kinds) else None
    column = max(int(font.getlength(text)) for name in classes for text in (name, "00,000")) + _MARGIN
    step_x, step_y = width + 2 * _FRAME + _GAP, _TILE + 2 * _FRAME + _GAP + (0 if truths is None else _TEXT)
    top = _MARGIN + (2 * _TEXT if kinds else 0)

    # Wide enough for the legend, too, which is longer than a row of few images.
    legend = [(kind, f"{NOISE_NAMES[kind]} ({np.count_nonzero(split.noise == kind):,})") for kind in kinds]
    legend_width = sum(int(font.getlength(text)) + 3 * _TEXT for _, text in legend)
    across = 2 * _MARGIN + max(column + per_class * step_x - _GAP, legend_width)
    sheet = Image.new("RGB", (across, top + len(classes) * step_y + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(sheet)

    x = _MARGIN
    for kind, text in legend:
        pen.rectangle((x, _MARGIN, x + _TEXT - 1, _MARGIN + _TEXT - 1), fill=_COLOURS[kind])
        pen.text((x + _TEXT + 5, _MARGIN + _TEXT // 2), text, fill=_INK, font=font, anchor="lm")
        x += int(font.getlength(text)) + 3 * _TEXT
    for label, name in enumerate(classes):
        y = top + label * step_y
        members = np.flatnonzero(split.labels == label)
        middle = y + _FRAME + _TILE // 2
        pen.text((_MARGIN, middle - 1), name, fill=_INK, font=font, anchor="ls")
        pen.text((_MARGIN, middle + 3), f"{len(members):,}", fill=_FAINT, font=small, anchor="lt")
        shown = members[np.linspace(0, len(members) - 1, min(per_class, len(members))).astype(int)]
        for place, index in enumerate(shown.tolist()):
            x = _MARGIN + column + place * step_x
            kind = UNTOUCHED if split.noise is None else int(split.noise[index])
            if kinds:
                pen.rectangle((x, y, x + width + 2 * _FRAME - 1, y + _TILE + 2 * _FRAME - 1), fill=_COLOURS[kind])
            picture = to_picture(split.pixels[index]).resize((width, _TILE), Image.Resampling.BICUBIC)
            sheet.paste(picture, (x + _FRAME, y + _FRAME))
            if truths is not None and truths[index] != label:
                below = (x + _FRAME + width // 2, y + _TILE + 2 * _FRAME + 1)
                pen.text(below, classes[truths[index]], fill=_COLOURS[kind], font=small, anchor="mt")
    return sheet
