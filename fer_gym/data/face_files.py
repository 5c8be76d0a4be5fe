"""Data sets that are lists of faces in picture files: what their loaders share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_gym.checks import check_count, check_flag
from fer_gym.cores import usable_cores
from fer_gym.data import cache, carving, images, text_files
from fer_gym.data.splits import Splits
from fer_gym.errors import DatasetError
from fer_gym.progress import Progress, progress

# How many pictures are decoded before the first of them is written.
_AHEAD = 512
# Pillow decodes beside other threads, but Python's own part of the work is not shared: more threads would wait for it.
_MOST_THREADS = 16


class Face(NamedTuple):
    """A face that a list names.

    Attributes:
        where: the list and line, for error messages.
        file: its picture, below the root.
        label: its class.
        box: where it is in the picture; None where it is all of the picture.
    """

    where: str
    file: str
    label: int
    box: images.Box | None = None


#: Reads a data set's lists: "train" to those faces that validation (and test) images are carved from, perhaps "test".
ReadLists = Callable[[], Mapping[str, Iterable[Face]]]


def load(
    name: str,
    root: Path,
    sources: Iterable[Path],
    read_lists: ReadLists,
    classes: Sequence[str],
    *,
    shares: Mapping[str, float],
    seed: Sequence[int],
    image_size: int,
    grey: bool,
    options: Mapping[str, object] | None = None,
) -> Splits:
    """Load listed faces, from the cache after the first time. The faces of one picture stay in one split.

    Args:
        name: the data set's.
        root: its folder.
        sources: lists and folders, whose change of size or time makes the set be read again.
        read_lists: is called if the set is not in the cache.
        classes: the names of the labels.
        shares: as for `carving.carved`.
        seed: as for `carving.carved`.
        image_size: the side of the square images, in pixels.
        grey: one channel in place of three.
        options: what else decides the images.

    Raises:
        DatasetError: if a list is missing or broken, names pictures that are missing or broken, or contradicts itself.
        UsageError: if `image_size` or `grey` is not allowed.
    """
    check_count("image_size", image_size, least=1)
    check_flag("grey", grey)
    key = {
        "sources": [_source_key(path, root) for path in sources],
        "image_size": int(image_size),
        "grey": bool(grey),
        **(options or {}),
    }
    decoded = cache.cached(name, key, partial(_decode, root, read_lists, int(image_size), bool(grey)))
    return carving.carved(name, key, decoded, classes, shares, seed, root)


def _source_key(path: Path, root: Path) -> dict[str, object]:
    try:
        return cache.file_key(path)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}); put it there, or correct root={str(root)!r}"
        ) from error


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a list that are not blank, each after where it is."""
    # A name that is not UTF-8 stays the bytes that it is on the disk.
    for number, line in enumerate(text_files.lines(path, errors="surrogateescape"), 1):
        if line.strip():
            yield f"{path}, line {number}", line


def label_in(where: str, text: str, labels: Mapping[str, int], names: Sequence[str]) -> int:
    """The label that a text stands for."""
    try:
        return labels[text]
    except KeyError:
        raise DatasetError(
            f"{where}: found the label {text[:40]!r}, expected {', '.join(labels)} ({', '.join(names)}); correct the "
            "line or remove it"
        ) from None


def whole_numbers_in(where: str, texts: Sequence[str]) -> list[int]:
    """Coordinates of a box."""
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise DatasetError(
            f"{where}: found the box {' '.join(texts)[:80]!r}, expected whole numbers of pixels; correct the line or "
            "remove it"
        ) from None


def _once(faces: Iterable[Face]) -> list[Face]:
    """The faces in their order, each once, all with paths that stay below the root."""
    found: dict[tuple[str, images.Box | None], Face] = {}
    for face in faces:
        first = found.setdefault((face.file, face.box), face)
        if first.label != face.label:
            raise DatasetError(f"{face.where}: another label than {first.where} gives this face; remove one of the two")
        path = PurePosixPath(face.file)
        if path.is_absolute() or ".." in path.parts:
            raise DatasetError(
                f"{face.where}: found the picture {face.file[:200]!r}, expected a relative path without ..; correct "
                "the line"
            )
    return list(found.values())


def _check_pictures_exist(faces: Iterable[Face], root: Path) -> None:
    files = {face.file: face for face in faces}
    missing = [face for file, face in files.items() if not os.path.exists(os.path.join(root, file))]
    if missing:
        raise DatasetError(
            f"{missing[0].where}: no picture {root / missing[0].file}; {len(missing):,} of the {len(files):,} pictures "
            "listed are missing; restore them or remove their lines"
        )


def _decode(root: Path, read_lists: ReadLists, image_size: int, grey: bool, directory: Path) -> None:
    """Write the pixels and labels of each list, and for the training list which faces are of one picture."""
    lists = {part: _once(faces) for part, faces in read_lists().items()}
    for part, faces in lists.items():
        if not faces:
            raise DatasetError(f"{root}: no face for the split {part}; the data is incomplete, fetch it again")
    _check_pictures_exist(chain.from_iterable(lists.values()), root)
    with progress(f"decoding {root}", sum(map(len, lists.values()))) as bar:
        for part, faces in lists.items():
            shape = len(faces), 1 if grey else 3, image_size, image_size
            decoded = _decoded(root, faces, image_size, grey, bar)
            cache.write(directory / f"{part}_pixels.npy", shape, decoded)
            np.save(directory / f"{part}_labels.npy", np.array([face.label for face in faces], np.int64))
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(face.file, len(numbers)) for face in lists["train"]]
    np.save(directory / "train_groups.npy", np.array(groups, np.int64))


def _decoded(
    root: Path, faces: Sequence[Face], image_size: int, grey: bool, bar: Progress
) -> Iterator[NDArray[np.uint8]]:
    """The faces' images in order, whichever thread decodes which.

    Threads and not processes: Pillow lets other threads run while it decodes and resizes. They work where processes
    do not: in a daemonic process, and in a script that a spawned one would run again.
    """

    def decode(face: Face) -> NDArray[np.uint8]:
        path = root / face.file
        return images.decode_face(images.read(path), f"{face.where}: {path}", image_size, grey=grey, box=face.box)

    with ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS)) as threads:
        for start in range(0, len(faces), _AHEAD):
            for image in threads.map(decode, faces[start : start + _AHEAD]):
                yield image
                bar.advance()
