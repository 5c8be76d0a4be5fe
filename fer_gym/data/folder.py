"""A folder of pictures: ROOT/{train,val,test}/CLASS/*.png, or ROOT/CLASS/*.png.

Without val/, a tenth of each class's training pictures becomes the validation split; without any of the
three, another tenth becomes the test split too.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_gym.data import cache, images
from fer_gym.data.splits import Split, Splits
from fer_gym.errors import DatasetError
from fer_gym.progress import progress

FORMS = (
    "a folder ROOT with ROOT/train/CLASS/*.png, ROOT/test/CLASS/*.png and perhaps ROOT/val/CLASS/*.png (or "
    ".jpg, .jpeg), or with ROOT/CLASS/*.png"
)
_SPLITS = ("train", "val", "test")
#: The share of each class that a split carved from the training pictures gets.
CARVED = 0.1


def load(root: str | os.PathLike[str], rng: np.random.Generator) -> Splits:
    """Load a folder of pictures, from the cache after the first time.

    Files that are hidden or do not end in .png, .jpg or .jpeg are left alone.

    Args:
        root: the folder.
        rng: decides which pictures are carved for validation and test, where they have no folder.

    Returns:
        The splits; classes in the order of their names, images in the order of theirs.

    Raises:
        DatasetError: if the folder is missing or laid out otherwise, a picture is broken or of another size
            or mode than the first, or a split has no picture of a class.
    """
    path = Path(root).expanduser()
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
    files = [file for found in listing.values() for pictures in found.values() for file in pictures]
    arrays = cache.cached("folder", cache.folder_key(path, files), partial(_build, path, listing))
    whole = {name: Split(arrays[f"{name}_pixels"], arrays[f"{name}_labels"]) for name in listing}
    missing = [name for name in ("val", "test") if name not in whole]
    if missing:
        parts = _carve(path, whole["train"], classes, len(missing), rng)
        whole.update(zip([*missing, "train"], parts, strict=True))
    return Splits(whole["train"], whole["val"], whole["test"], classes)


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
    total = sum(len(files) for found in listing.values() for files in found.values())
    with progress(f"decoding {root}", total) as bar:
        for split, found in listing.items():
            labels = np.repeat(np.arange(len(found)), [len(files) for files in found.values()]).astype(np.int64)
            pixels = np.lib.format.open_memmap(
                directory / f"{split}_pixels.npy", mode="w+", dtype=np.uint8, shape=(len(labels), *expected)
            )
            for i, file in enumerate(file for files in found.values() for file in files):
                pixels[i] = images.decode(images.read(root / file), str(root / file), expected)
                bar.advance()
            np.save(directory / f"{split}_labels.npy", labels)


def _carve(root: Path, split: Split, classes: tuple[str, ...], parts: int, rng: np.random.Generator) -> list[Split]:
    """Take `parts` splits off a split, each with a share of `CARVED` of each class, at least one picture.

    Returns:
        The splits taken, then what is left.
    """
    chosen: list[list[NDArray[np.int64]]] = [[] for _ in range(parts + 1)]
    for label, name in enumerate(classes):
        members = rng.permutation(np.flatnonzero(split.labels == label))
        share = max(round(CARVED * len(members)), 1)
        if len(members) <= parts * share:
            raise DatasetError(
                f"{root}: {len(members)} pictures of class {name!r}, expected at least {parts + 1}, one for "
                "each split; add some or remove the class"
            )
        for part in range(parts):
            chosen[part].append(members[part * share : (part + 1) * share])
        chosen[parts].append(members[parts * share :])
    return [split.take(np.sort(np.concatenate(indices))) for indices in chosen]
