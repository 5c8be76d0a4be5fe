"""RAF-DB's basic expressions: 15,339 aligned faces of 100x100 pixels, in colour, in seven classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from fer_gym import files
from fer_gym.data import face_files
from fer_gym.data.face_files import Face
from fer_gym.data.splits import Splits
from fer_gym.errors import DatasetError

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
FORMS = "a folder with EmoLabel/list_patition_label.txt and Image/aligned/"
#: The validation part of the training list. Of the published list's 12,271 faces it is 2,455, as in the paper.
VALIDATION = 0.2
_LIST = Path("EmoLabel", "list_patition_label.txt")  # its authors' spelling
_PICTURES = Path("Image", "aligned")
_LABELS = {str(label + 1): label for label in range(len(CLASSES))}
_SPLITS = ("train", "test")


def load(
    root: str | os.PathLike[str], seed: Sequence[int] = (0,), *, image_size: int = 100, grey: bool = False
) -> Splits:
    """Load RAF-DB, from the cache after the first time.

    Args:
        root: the folder that holds EmoLabel/ and Image/.
        seed: decides which training faces are for validation.
        image_size: the side of the images, in pixels; 100 keeps them as they are published.
        grey: one channel in place of three.

    Returns:
        The splits; each in the order of the list.

    Raises:
        DatasetError: if the data is missing or broken.
        UsageError: if an option's value is not allowed.
    """
    path = files.at(root)
    return face_files.load(
        "rafdb",
        path,
        (path / _LIST, path / _PICTURES),
        lambda: _read(path / _LIST),
        CLASSES,
        shares={"val": VALIDATION},
        seed=seed,
        image_size=image_size,
        grey=grey,
    )


def _read(path: Path) -> dict[str, list[Face]]:
    lists: dict[str, list[Face]] = {split: [] for split in _SPLITS}
    for split, face in _faces(path):
        lists[split].append(face)
    return lists


def _faces(path: Path) -> Iterator[tuple[str, Face]]:
    """Each line's split and face: `train_00001.jpg 5` is Image/aligned/train_00001_aligned.jpg, sadness."""
    for where, line in face_files.lines(path):
        fields = line.rsplit(maxsplit=1)
        if len(fields) != 2:
            raise DatasetError(
                f"{where}: found {line.strip()[:80]!r}, expected a picture and a label; correct the line"
            )
        name, label = PurePath(fields[0].strip()), face_files.label_in(where, fields[1], _LABELS, CLASSES)
        split = name.name.partition("_")[0]
        if split not in _SPLITS:
            raise DatasetError(
                f"{where}: found the picture {str(name)[:80]!r}, expected a name that begins with train_ or test_, "
                "which says the split; correct the line or remove it"
            )
        aligned = name.with_name(f"{name.stem}_aligned{name.suffix}")
        yield split, Face(where, (_PICTURES / aligned).as_posix(), label)
