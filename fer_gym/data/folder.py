"""A folder of pictures: ROOT/{train,val,test}/CLASS/*.png, or ROOT/CLASS/*.png.

Without val/, a tenth of each class's training pictures becomes the validation split; without any of the
three, another tenth becomes the test split too. Pictures of one person, or of one film, can be kept in one split.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.data import cache, carving, images
from fer_gym.data.splits import Split, Splits
from fer_gym.errors import DatasetError, UsageError
from fer_gym.progress import Progress, progress

FORMS = (
    "a folder ROOT with ROOT/train/CLASS/*.png, ROOT/test/CLASS/*.png and perhaps ROOT/val/CLASS/*.png (or "
    ".jpg, .jpeg), or with ROOT/CLASS/*.png"
)
_SPLITS = ("train", "val", "test")
#: The share of each class that a split carved from the training pictures gets.
CARVED = 0.1
#: What tells which pictures stay together: a regular expression, or a function, of a picture's file name.
Groups = str | re.Pattern[str] | Callable[[str], Hashable]


def load(root: str | os.PathLike[str], rng: np.random.Generator, groups: Groups | None = None) -> Splits:
    r"""Load a folder of pictures, from the cache after the first time.

    Files that are hidden or do not end in .png, .jpg or .jpeg are left alone.

    Args:
        root: the folder.
        rng: decides which pictures are carved for validation and test, where they have no folder.
        groups: pictures of one group stay in one split where splits are carved, whatever their classes. Either a
            regular expression, searched for in the file's name, whose first group (in parentheses) is the name of the
            picture's group: r"^(S\d+)_" groups S005_001_00000011.png by S005. Or a function from the file's name to
            the group, None for none. None lets each picture go by itself.

    Returns:
        The splits; classes in the order of their names, images in the order of theirs.

    Raises:
        DatasetError: if the folder is missing or laid out otherwise, a picture is broken or of another size
            or mode than the first, a split has no picture of a class, or a picture has no group.
        UsageError: if `groups` is neither of the two, or no split is carved.
    """
    group_of = None if groups is None else _grouping(groups)
    path = files.at(root)
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; give root= {FORMS}")
    splits = [name for name in _SPLITS if (path / name).is_dir()]
    if splits and not {"train", "test"}.issubset(splits):
        raise DatasetError(
            f"{path}: found only {', '.join(f'{name}/' for name in splits)}; add the missing train/ or "
            "test/, or put the class folders right below the root to have validation and test pictures carved"
        )
    listing = {name: _list(path, f"{name}/") for name in splits} if splits else {"train": _list(path, "")}
    classes = tuple(listing["train"])
    if len(classes) < 2:
        raise DatasetError(
            f"{path / 'train' if splits else path}: found {len(classes)} class folders, expected at least "
            f"two; give {FORMS}"
        )
    for name, found in listing.items():
        _check_classes(path / name if splits else path, classes, tuple(found))
    every = [file for found in listing.values() for pictures in found.values() for file in pictures]
    arrays = cache.cached("folder", cache.folder_key(path, every), partial(_build, path, listing))
    whole = {name: Split(arrays[f"{name}_pixels"], arrays[f"{name}_labels"]) for name in listing}
    missing = [name for name in ("val", "test") if name not in whole]
    if missing:
        train = whole["train"]
        together = None if group_of is None else _groups(path, listing["train"], group_of)
        parts = carving.carve(path, train.labels, classes, [CARVED] * len(missing), rng, together)
        whole.update(zip([*missing, "train"], map(train.take, parts), strict=True))
    elif groups is not None:
        raise UsageError(f"groups: not allowed where val/ and test/ are there, as in {path}; use None")
    return Splits(whole["train"], whole["val"], whole["test"], classes)


def _grouping(groups: Groups) -> Callable[[str], Hashable]:
    """From a file's name to its group, None if it has none."""
    if callable(groups):
        return groups
    try:
        pattern = re.compile(groups)
    except (re.error, TypeError) as error:
        raise UsageError(
            f"groups: {groups!r} is not allowed ({error}); use a regular expression or a function"
        ) from error
    if not pattern.groups:
        raise UsageError(f"groups: {groups!r} has no group; use parentheses around the part that names the group")

    def group_of(name: str) -> Hashable:
        match = pattern.search(name)
        return match and match[1]

    return group_of


def _groups(root: Path, found: dict[str, list[str]], group_of: Callable[[str], Hashable]) -> NDArray[np.int64]:
    """The number of each picture's group."""
    numbers: dict[Hashable, int] = {}
    of = []
    for file in (file for pictures in found.values() for file in pictures):
        group = group_of(os.path.basename(file))
        if group is None:
            raise DatasetError(f"{root / file}: no group by groups=; rename the picture, or correct groups=")
        of.append(numbers.setdefault(group, len(numbers)))
    return np.array(of, np.int64)


def _list(root: Path, below: str) -> dict[str, list[str]]:
    """The pictures of each class folder in ROOT/BELOW, as paths below ROOT; both sorted by name."""
    found = {}
    for name in sorted(os.listdir(root / below)):
        folder = root / below / name
        if folder.is_dir() and not name.startswith("."):
            pictures = [
                f"{below}{name}/{file}"
                for file in sorted(os.listdir(folder))
                if file.lower().endswith(images.ENDINGS) and not file.startswith(".")
            ]
            if not pictures:
                raise DatasetError(
                    f"{folder}: no .png, .jpg or .jpeg picture of this class; add some or remove the folder"
                )
            found[name] = pictures
    return found


def _check_classes(folder: Path, classes: tuple[str, ...], found: tuple[str, ...]) -> None:
    for name in sorted(set(classes) ^ set(found)):
        where = "train/ has none" if name in found else "train/ has one"
        what = "a folder" if name in found else "no folder"
        raise DatasetError(
            f"{folder}: {what} of class {name!r} where {where}; every split needs pictures of the same classes"
        )


def _build(root: Path, listing: dict[str, dict[str, list[str]]], directory: Path) -> None:
    first = next(iter(listing["train"].values()))[0]
    channels, height, width = images.decode(images.read(root / first), str(root / first)).shape
    expected = channels, height, width
    total = sum(len(pictures) for found in listing.values() for pictures in found.values())
    with progress(f"decoding {root}", total) as bar:
        for split, found in listing.items():
            labels = np.repeat(np.arange(len(found)), [len(pictures) for pictures in found.values()]).astype(np.int64)
            files_in_order = (file for pictures in found.values() for file in pictures)
            decoded = (_decoded(root / file, expected, bar) for file in files_in_order)
            cache.write(directory / f"{split}_pixels.npy", (len(labels), *expected), decoded)
            np.save(directory / f"{split}_labels.npy", labels)


def _decoded(path: Path, expected: tuple[int, int, int], bar: Progress) -> NDArray[np.uint8]:
    pixels = images.decode(images.read(path), str(path), expected)
    bar.advance()
    return pixels
