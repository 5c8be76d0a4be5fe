"""AffectNet's manually labelled faces, in either form in which they are published.

- `training.csv`, `validation.csv` and the pictures in Manually_Annotated_Images/, from which the faces are cut;
- `train_set/` and `val_set/`, each with images/ID.jpg, the cut faces, and annotations/ID_exp.npy, their labels.

The test set is not public: AffectNet's validation set is the test split here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fer_gym import files
from fer_gym.data import face_files, images, text_files
from fer_gym.data.face_files import Face
from fer_gym.data.splits import Splits
from fer_gym.errors import DatasetError, UsageError

CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
FORMS = (
    "a folder with training.csv, validation.csv and Manually_Annotated_Images/, or with train_set/ and val_set/, each "
    "with images/ and annotations/"
)
#: The validation part of the training set.
VALIDATION = 0.1
# None, uncertain and no face: not expressions, but labels that may be there.
_DROPPED = ("8", "9", "10")
_LABELS = {str(label): label for label in range(len(CLASSES) + len(_DROPPED))}
_NAMES = (*CLASSES, "none", "uncertain", "no face")
_CSVS = {"train": "training.csv", "test": "validation.csv"}
_PICTURES = "Manually_Annotated_Images"
_COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip
_SETS = {"train": "train_set", "test": "val_set"}
_EXPRESSION = "_exp.npy"
# An expression is one number, or its digits: a file of 200 bytes at most.
_MAX_BYTES = 4096


def load(
    root: str | os.PathLike[str],
    seed: Sequence[int] = (0,),
    *,
    image_size: int = 96,
    grey: bool = False,
    classes: int = 8,
) -> Splits:
    """Load AffectNet, from the cache after the first time.

    Args:
        root: the folder that holds either form.
        seed: decides which training faces are for validation.
        image_size: the side of the images, in pixels; a face that is no square is stretched to one.
        grey: one channel in place of three.
        classes: 8, or 7 without contempt.

    Returns:
        The splits; each in the order of its list, or of its pictures' names.

    Raises:
        DatasetError: if the data is missing or broken.
        UsageError: if an option's value is not allowed.
    """
    path = files.at(root)
    if isinstance(classes, bool) or classes not in (7, 8):
        raise UsageError(f"classes: {classes!r} is not allowed; use 7 or 8")
    if (path / _SETS["train"]).is_dir():
        sources = [path / name / folder for name in _SETS.values() for folder in ("images", "annotations")]
        faces = partial(_faces_of_set, path)
    elif (path / _CSVS["train"]).is_file():
        sources = [*(path / name for name in _CSVS.values()), path / _PICTURES]
        faces = partial(_faces_of_csv, path)
    else:
        raise DatasetError(f"{path}: this folder holds no AffectNet; give root= {FORMS}")
    return face_files.load(
        "affectnet",
        path,
        sources,
        lambda: {part: (face for face in faces(part) if face.label < classes) for part in ("train", "test")},
        CLASSES[:classes],
        shares={"val": VALIDATION},
        seed=seed,
        image_size=image_size,
        grey=grey,
        options={"classes": int(classes)},
    )


def _faces_of_csv(root: Path, part: str) -> Iterator[Face]:
    # A name that is not UTF-8 stays the bytes that it is on the disk.
    for where, row in text_files.rows(root / _CSVS[part], _COLUMNS, of="AffectNet's CSV", errors="surrogateescape"):
        label = face_files.label_in(where, row[6].strip(), _LABELS, _NAMES)
        if label < len(CLASSES):  # where there is no face, the box means nothing
            left, top, width, height = face_files.whole_numbers_in(where, row[1:5])
            yield Face(where, f"{_PICTURES}/{row[0].strip()}", label, (left, top, left + width, top + height))


def _faces_of_set(root: Path, part: str) -> Iterator[Face]:
    folder = root / _SETS[part]
    pictures = {
        os.path.splitext(name)[0]: name
        for name in sorted(os.listdir(folder / "images"))
        if name.lower().endswith(images.ENDINGS) and not name.startswith(".")
    }
    annotations = {
        name.removesuffix(_EXPRESSION) for name in os.listdir(folder / "annotations") if name.endswith(_EXPRESSION)
    }
    unlabelled = sorted(pictures.keys() - annotations)
    if unlabelled:
        raise DatasetError(
            f"{folder / 'annotations' / unlabelled[0]}{_EXPRESSION}: no such file; {len(unlabelled):,} of the "
            f"{len(pictures):,} pictures have no label; restore the labels or remove the pictures"
        )
    for name in sorted(annotations):
        where = f"{folder / 'annotations' / name}{_EXPRESSION}"
        label = face_files.label_in(where, _number(where), _LABELS, _NAMES)
        yield Face(where, f"{_SETS[part]}/images/{pictures.get(name, name + '.jpg')}", label)


def _number(where: str) -> str:
    """The only value of a .npy file: a number of any type, or its digits. No more of it is read than that needs."""
    data = io.BytesIO(images.read(Path(where), at_most=_MAX_BYTES))
    try:
        version = np.lib.format.read_magic(data)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(data)
        if shape not in ((), (1,)) or dtype.kind not in "iufUS":
            raise ValueError(f"{dtype} of shape {shape}")
        value = np.frombuffer(data.read(dtype.itemsize), dtype, 1)[0]
        text = value.decode() if isinstance(value, bytes) else str(value)
        return text.strip().removesuffix(".0")
    except Exception as error:  # a broken header raises many kinds: ValueError, SyntaxError, tokenize.TokenError, ...
        raise DatasetError(
            f"{where}: not a .npy file of one number ({str(error)[:200]}); restore or remove it and its picture"
        ) from error
