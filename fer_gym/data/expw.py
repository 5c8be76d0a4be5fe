"""ExpW: 91,793 faces in pictures from the web, each cut out by its box, in FER2013's seven classes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_gym import files
from fer_gym.checks import check_number
from fer_gym.data import face_files
from fer_gym.data.face_files import Face
from fer_gym.data.splits import Splits
from fer_gym.errors import DatasetError

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FORMS = "a folder with label/label.lst and image/origin/"
#: Of all faces; the published list's 91,793 become 73,433, 9,180 and 9,180, as in the paper.
SHARES = {"val": 0.1, "test": 0.1}
_LIST = Path("label", "label.lst")
_PICTURES = Path("image", "origin")
_LABELS = {str(label): label for label in range(len(CLASSES))}
_FIELDS = "picture, face, top, left, right, bottom, confidence, label"


def load(
    root: str | os.PathLike[str],
    seed: Sequence[int] = (0,),
    *,
    image_size: int = 96,
    grey: bool = False,
    min_confidence: float | None = None,
) -> Splits:
    """Load ExpW, from the cache after the first time.

    The faces of one picture stay in one split: two faces of one scene share its light, and often its mood.

    Args:
        root: the folder that holds label/ and image/.
        seed: decides which faces are for validation and test.
        image_size: the side of the images, in pixels; a box that is no square is stretched to one.
        grey: one channel in place of three.
        min_confidence: leave out faces that the face detector was less sure of. None takes all.

    Returns:
        The splits; each in the order of the list.

    Raises:
        DatasetError: if the data is missing or broken.
        UsageError: if an option's value is not allowed.
    """
    path = files.at(root)
    if min_confidence is not None:
        check_number("min_confidence", min_confidence)
    least = -math.inf if min_confidence is None else float(min_confidence)
    return face_files.load(
        "expw",
        path,
        (path / _LIST, path / _PICTURES),
        lambda: {"train": _faces(path / _LIST, least)},
        CLASSES,
        shares=SHARES,
        seed=seed,
        image_size=image_size,
        grey=grey,
        options={"min_confidence": None if min_confidence is None else least},
    )


def _faces(path: Path, least: float) -> Iterator[Face]:
    for where, line in face_files.lines(path):
        fields = line.rsplit(maxsplit=7)  # from the right: a picture's name may hold spaces
        if len(fields) != 8:
            raise DatasetError(f"{where}: found {len(fields)} fields, expected {_FIELDS}; correct the line")
        top, left, right, bottom = face_files.whole_numbers_in(where, fields[2:6])
        label = face_files.label_in(where, fields[7], _LABELS, CLASSES)
        try:
            confidence = float(fields[6])
        except ValueError:
            confidence = math.nan
        if not math.isfinite(confidence):
            raise DatasetError(f"{where}: found the confidence {fields[6][:40]!r}, expected a number; correct the line")
        if confidence >= least:
            yield Face(where, (_PICTURES / fields[0].strip()).as_posix(), label, (left, top, right, bottom))
