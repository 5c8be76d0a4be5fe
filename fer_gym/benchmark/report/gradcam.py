"""Where a network looks: Grad-CAM (Selvaraju et al. 2017) of some test images (Fig. 10 of Hong)."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_gym.benchmark.records import Record, TaskResults
from fer_gym.benchmark.report.faces import Face, Faces
from fer_gym.data import Splits
from fer_gym.errors import UsageError
from fer_gym.pictures import to_picture

_SIDE = 96
_OPACITY = 0.45


def is_in(record: Record) -> bool:
    """Whether a record has it."""
    return "grad_cam" in record["arrays"]


def faces(task: TaskResults, splits: Splits, seed: int) -> Faces:
    """The test images under what each arm's first child of a seed looks at.

    Raises:
        ValueError: if the records are of other images.
    """
    groups = []
    for arm, by_seed in task.arms.items():
        if seed in by_seed and is_in(by_seed[seed]):
            record = by_seed[seed]
            seen = record["children"][0]["looked_at"]
            each = zip(seen["images"], seen["predicted"], record["arrays"]["grad_cam"], strict=True)
            groups.append((arm, tuple(_face(*face, splits) for face in each)))
    caption = (
        "The first test image of each class, red where Grad-CAM finds what speaks for the predicted class; that stands "
        "first, the true one below it. The first child of each arm."
    )
    return Faces(f"where networks look, seed {seed}", caption, tuple(groups))


def _face(index: int, predicted: str, heat: NDArray[np.float16], splits: Splits) -> Face:
    if index >= len(splits.test):
        raise UsageError(f"the record has test image {index}, the data {len(splits.test):,}")
    pixels = splits.test.pixels[index]
    buffer = io.BytesIO()
    _overlaid(pixels, heat.astype(np.float32)).save(buffer, format="PNG", optimize=True)
    return Face(buffer.getvalue(), predicted, splits.classes[splits.test.labels[index]], "")


def _overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> Image.Image:
    """An image (C, H, W) under a map (h, w) from 0 to 1."""
    face = to_picture(pixels).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    spread = Image.fromarray(heat).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    coloured = matplotlib.colormaps["jet"](np.clip(np.array(spread), 0, 1))[..., :3]
    return Image.blend(face, Image.fromarray((255 * coloured).astype(np.uint8)), _OPACITY)
