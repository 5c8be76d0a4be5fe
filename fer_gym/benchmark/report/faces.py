"""Faces on the page: at both ends of an agent's ranking, and with maps of where a network looks."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_gym.benchmark.records import Record, TaskResults
from fer_gym.data import Splits
from fer_gym.data.splits import NOISE_NAMES
from fer_gym.errors import UsageError
from fer_gym.pictures import to_picture

_FACES = 14
_LARGEST_SIDE = 96
_OPACITY = 0.45


@dataclass(frozen=True)
class Face:
    """An image, with its label, and of a ranking the agent's score, the kind of noise and the network's prediction."""

    png: bytes
    label: str
    score: str = ""
    kind: str = ""
    prediction: str = ""


@dataclass(frozen=True)
class Faces:
    """Groups of images: of an agent's ranking (Figs. 5 and 6 of RLPS), or of an arm's network (Fig. 10 of Hong)."""

    title: str
    caption: str
    groups: tuple[tuple[str, tuple[Face, ...]], ...]


def ranking(record: Record) -> tuple[str, NDArray[np.float64]] | None:
    """What an agent ranks the images by, with its name; None if the agent only decides.

    Returns:
        "score" or "keep probability", and float64 (N,), high for images that the agent would rather retain.
    """
    for key, name in (("image_score", "score"), ("keep_probability", "keep probability")):
        scores = record["arrays"].get(key)
        if scores is not None and len(np.unique(scores)) > 2:
            return name, scores.astype(np.float64)
    return None


def at_either_end(record: Record, name: str, scores: NDArray[np.float64], splits: Splits) -> Faces:
    """The images that an agent ranks highest and lowest.

    Args:
        record: of a task on ImageSelect-v0.
        name: of the scores, as `ranking` returns it.
        scores: of the training images, float64 (N,).
        splits: the record's data.

    Raises:
        UsageError: if the data has another number of training images.
    """
    train = splits.train
    if len(scores) != len(train):
        raise UsageError(f"the record has {len(scores):,} images, the data {len(train):,}")
    order = np.argsort(-scores, kind="stable")

    def face(image: int) -> Face:
        kind = "" if train.noise is None else NOISE_NAMES[train.noise[image]].partition(" or")[0]
        label = splits.classes[train.labels[image]]
        return Face(_png(train.pixels[image]), label, f"{scores[image]:z.3f}", kind, predictions(image))

    predictions = _predictions(record, splits)
    shown = [f"their {name}", "the label given"]
    if train.noise is not None:
        shown.append("their kind of noise (which only an oracle is shown)")
    if "predicted" in record["arrays"]:
        shown.append("what the environment's network predicts")
    return Faces(
        f"{record['arm']}, seed {record['seed']}",
        f"Training images with {', '.join(shown[:-1])} and {shown[-1]}.",
        (
            (f"Highest {name}", tuple(map(face, order[:_FACES]))),
            (f"Lowest {name}", tuple(map(face, order[::-1][:_FACES]))),
        ),
    )


def has_maps(record: Record) -> bool:
    """Whether a record has Grad-CAM maps."""
    return "grad_cam" in record["arrays"]


def looked_at(task: TaskResults, splits: Splits, seed: int) -> Faces:
    """Training images with the Grad-CAM maps of each arm's first child of a seed.

    Raises:
        UsageError: if the records are of other images.
    """
    groups = []
    for arm, by_seed in task.arms.items():
        if seed in by_seed and has_maps(by_seed[seed]):
            record = by_seed[seed]
            each = zip(record["children"][0]["looked_at"], record["arrays"]["grad_cam"], strict=True)
            groups.append((arm, tuple(_under_map(image, heat, splits) for image, heat in each)))
    caption = (
        "Of each class, the first training image that the network classifies as its label says, red where Grad-CAM "
        "finds evidence for it. The first child of each arm; networks that classify other images correctly show others."
    )
    return Faces(f"where networks look, seed {seed}", caption, tuple(groups))


def _predictions(record: Record, splits: Splits) -> Callable[[int], str]:
    """A function from an image to the network's prediction in words; to "" where the record has none."""
    predicted, percent = (record["arrays"].get(name) for name in ("predicted", "predicted_percent"))
    if predicted is None or percent is None:
        return lambda image: ""
    return lambda image: f"predicted {splits.classes[predicted[image]]} {percent[image] / 100:.2f}"


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """An image (C, H, W), no larger than it is shown."""
    image = to_picture(pixels)
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _under_map(index: int, heat: NDArray[np.float16], splits: Splits) -> Face:
    if index >= len(splits.train):
        raise UsageError(f"the record has training image {index}, the data {len(splits.train):,}")
    buffer = io.BytesIO()
    _overlaid(splits.train.pixels[index], heat.astype(np.float32)).save(buffer, format="PNG", optimize=True)
    return Face(buffer.getvalue(), splits.classes[splits.train.labels[index]])


def _overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> Image.Image:
    """An image (C, H, W) under a map (h, w) from 0 to 1."""
    face = to_picture(pixels).convert("RGB").resize((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.BILINEAR)
    spread = Image.fromarray(heat).resize((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.BILINEAR)
    coloured = matplotlib.colormaps["jet"](np.clip(np.array(spread), 0, 1))[..., :3]
    return Image.blend(face, Image.fromarray((255 * coloured).astype(np.uint8)), _OPACITY)
