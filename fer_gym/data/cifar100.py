"""CIFAR-100: 60,000 colour pictures of 32x32 pixels in 100 classes, or 20 coarse ones; the one set without faces.

The pickles of its Python version are read without executing anything (see `array_pickles`).
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.checks import check_choice
from fer_gym.data import array_pickles, cache, carving, text_files
from fer_gym.data.splits import Splits
from fer_gym.errors import DatasetError

FORMS = "cifar-100-python.tar.gz, or the folder of it, with the files train, test and meta"
LABELS = ("fine", "coarse")
#: The validation part of the training pictures.
VALIDATION = 0.1
_FOLDER = "cifar-100-python"
_FILES = ("train", "test", "meta")
_SHAPE = (3, 32, 32)
# The largest file has 155 MB.
_MAX_BYTES = 1 << 29


def load(root: str | os.PathLike[str], seed: Sequence[int] = (0,), *, labels: str = "fine") -> Splits:
    """Load CIFAR-100, from the cache after the first time.

    Args:
        root: the folder, one that holds it under its own name, or the .tar.gz.
        seed: decides which training pictures are for validation.
        labels: "fine", 100 classes, or "coarse", 20.

    Returns:
        The splits; each in the order of its file.

    Raises:
        DatasetError: if the data is missing or broken.
        UsageError: if `labels` is none of the two.
    """
    check_choice("labels", labels, LABELS)
    path = files.at(root)
    if (path / _FOLDER).is_dir():
        path = path / _FOLDER
    parts = [path / name for name in _FILES] if path.is_dir() else [path]
    for file in parts:
        if not file.is_file():
            raise DatasetError(f"{file}: no such file; give root= {FORMS}")

    def build(directory: Path) -> None:
        contents = _read_folder(path) if path.is_dir() else _read_tar(path)
        classes = _classes(f"{path}, meta", _unpickled(f"{path}, meta", contents.pop("meta")), labels)
        np.save(directory / "classes.npy", np.array(classes))
        for name, data in contents.items():
            where = f"{path}, {name}"
            found = _unpickled(where, data)
            pixels, given = _pixels(where, found), _labels(where, found, labels, len(classes))
            if len(pixels) != len(given):
                raise DatasetError(f"{where}: {len(pixels):,} pictures and {len(given):,} labels; fetch the file again")
            np.save(directory / f"{name}_pixels.npy", pixels)
            np.save(directory / f"{name}_labels.npy", given)

    key = {"sources": [cache.file_key(file) for file in parts], "labels": labels}
    decoded = cache.cached("cifar100", key, build)
    classes = tuple(decoded["classes"].tolist())
    return carving.carved("cifar100", key, decoded, classes, {"val": VALIDATION}, seed, path)


def _read_folder(path: Path) -> dict[str, bytes]:
    contents = {}
    for name in _FILES:
        with text_files.readable(path / name), (path / name).open("rb") as file:
            contents[name] = file.read(_MAX_BYTES + 1)
        _check_size(f"{path / name}", len(contents[name]))
    return contents


def _read_tar(path: Path) -> dict[str, bytes]:
    """The content of each of `_FILES` in the archive.

    Only the blocks of the members' own headers are read by `tarfile`. Of the members that give others a long name or
    attributes it would read the whole content, however long.
    """
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) as file:
            while (header := file.read(tarfile.BLOCKSIZE)).strip(b"\0"):
                member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
                if member.size < 0:
                    raise tarfile.ReadError(f"a member of {member.size} bytes")
                length = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                _check_size(f"{path}, {member.name[:200]}", file.tell() + length)
                folder, _, name = member.name.partition("/")
                if member.isreg() and folder == _FOLDER and name in _FILES:
                    contents[name] = file.read(length)[: member.size]
                else:
                    file.seek(length, os.SEEK_CUR)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: not a whole .tar.gz ({error}); fetch it again") from error
    for name in _FILES:
        if name not in contents:
            raise DatasetError(f"{path}: no {_FOLDER}/{name} in it; give root= {FORMS}")
    return contents


def _check_size(where: str, size: int) -> None:
    if size > _MAX_BYTES:
        raise DatasetError(f"{where}: more than {_MAX_BYTES:,} bytes; this is no CIFAR-100, fetch it again")


def _unpickled(where: str, data: bytes) -> dict[str, Any]:
    try:
        return array_pickles.loads(data)
    except ValueError as error:
        raise DatasetError(f"{where}: {error}; fetch the file again") from error


def _classes(where: str, meta: Mapping[str, Any], labels: str) -> list[str]:
    names = meta.get(f"{labels}_label_names")
    if not isinstance(names, list) or not names or len(names) > 256:
        raise DatasetError(f"{where}: no list of {labels}_label_names; fetch the file again")
    texts = [name.decode("latin1") if isinstance(name, bytes) else name for name in names]
    if not all(isinstance(text, str) and 0 < len(text) < 100 for text in texts) or len(set(texts)) < len(texts):
        raise DatasetError(f"{where}: the {labels}_label_names are no different names; fetch the file again")
    return texts


def _pixels(where: str, found: Mapping[str, Any]) -> NDArray[np.uint8]:
    data = found.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (np.prod(_SHAPE),):
        found_text = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DatasetError(f"{where}: data is {found_text}, expected uint8 of shape (N, 3072); fetch the file again")
    return data.reshape(-1, *_SHAPE)


def _labels(where: str, found: Mapping[str, Any], labels: str, classes: int) -> NDArray[np.int64]:
    given = found.get(f"{labels}_labels")
    values = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(values, list):
        raise DatasetError(f"{where}: no list of {labels}_labels; fetch the file again")
    for row, value in enumerate(values):
        if type(value) is not int or not 0 <= value < classes:
            raise DatasetError(
                f"{where}: the {labels} label of picture {row} is {str(value)[:40]}, expected 0 to {classes - 1}; "
                "fetch the file again"
            )
    return np.array(values, np.int64)
