"""FER2013: 35,887 grey faces of 48x48 pixels in seven classes, in each form in which it is published.

- `fer2013.csv` (columns emotion, pixels, Usage) or `icml_face_data.csv` (emotion, Usage, pixels);
- a folder with train/CLASS/Training_*.jpg and test/CLASS/{PublicTest,PrivateTest}_*.jpg, or a zip of it.

The official splits: Training is the training split, PublicTest the validation split, PrivateTest the test
split.
"""

from __future__ import annotations

import dataclasses
import logging
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.data import cache, ferplus, images, text_files
from fer_gym.data.splits import Split, Splits
from fer_gym.errors import DatasetError, UsageError
from fer_gym.progress import progress

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
#: FER2013's word for a split, and ours.
USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
SHAPE = (1, 48, 48)
#: Of the whole CSV.
ROWS = 35_887
FORMS = (
    "fer2013.csv, icml_face_data.csv, fer2013.zip, or a folder that holds one of these or train/ and test/ "
    "with a folder per class"
)
_COLUMNS = ("emotion", "pixels", "Usage")
_FOLDERS = ("train", "test")
_PIXELS = SHAPE[1] * SHAPE[2]

# Limits, far above the real set's: a CSV of 301 MB; 35,887 members of a zip of at most 2,483 bytes, 57 MB in all.
_MAX_MEMBERS = 200_000
_MAX_MEMBER_BYTES = 1 << 18
_MAX_BYTES = 1 << 30
_MAX_RATIO = 100


def load(
    root: str | os.PathLike[str],
    doubts: bool = False,
    ferplus_file: str | os.PathLike[str] | None = None,
    row_order: str | os.PathLike[str] | None = None,
) -> Splits:
    """Load FER2013, from the cache after the first time.

    Args:
        root: one of the forms above.
        doubts: mark the training images that FER+'s voters contradict, and give every split its voters' labels as
            `clean_labels` (see `fer_gym.data.ferplus`).
        ferplus_file: FER+'s `fer2013new.csv`; None looks for it beside the data. Only with `doubts`.
        row_order: the table from pictures to rows of fer2013.csv, which the folder and the zip need; None
            looks for `fer2013_row_order.csv` beside the data. Only with `doubts`.

    Returns:
        The three splits, 48x48 grey. Images of the CSV come in the order of its rows, those of the folder and
        the zip in the order of their names.

    Raises:
        DatasetError: if the data is missing or broken.
        UsageError: if `row_order` is given with the CSV.
    """
    path = _find(root)
    if path.is_dir():
        listing = _list_folder(path)
        key = cache.folder_key(path, listing)
        build = partial(_build_folder, path, listing)
    else:
        key = cache.file_key(path)
        build = partial(_build_csv if path.suffix.lower() == ".csv" else _build_zip, path)
    arrays = cache.cached("fer2013", key, build)
    splits = {name: Split(arrays[f"{name}_pixels"], arrays[f"{name}_labels"]) for name in USAGES.values()}
    if doubts:
        votes = _votes(path, arrays, ferplus_file, row_order)
        splits = {name: ferplus.mark(split, votes[name]) for name, split in splits.items()}
        # Only training images have noise; of the others the voters' labels are what a network can be scored on.
        for name in ("val", "test"):
            splits[name] = dataclasses.replace(splits[name], noise=None)
    return Splits(**splits, classes=CLASSES)


def _votes(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    ferplus_file: str | os.PathLike[str] | None,
    row_order: str | os.PathLike[str] | None,
) -> dict[str, NDArray[np.int64]]:
    """FER+'s votes on each image of a split, after checking that both files have the same rows."""
    votes_path = ferplus.find(path, ferplus.VOTES_NAME, ferplus_file, "ferplus")
    usages, votes = ferplus.read_votes(votes_path)
    if "train_rows" in arrays:
        if row_order is not None:
            raise UsageError("row_order: not allowed with the CSV, whose rows are FER+'s; use None")
        rows = {split: arrays[f"{split}_rows"] for split in USAGES.values()}
        images_in_all = sum(map(len, rows.values()))
        if images_in_all != len(votes):
            raise DatasetError(
                f"{votes_path}: {len(votes):,} rows, but {path} has {images_in_all:,}; they are joined row "
                "by row, so give the two files that belong together"
            )
    else:
        order_path = ferplus.find(path, ferplus.ROW_ORDER_NAME, row_order, "row_order")
        order = ferplus.read_row_order(order_path)
        rows = {
            split: ferplus.rows_of_members(arrays[f"{split}_members"], order, order_path) for split in USAGES.values()
        }
    for usage, split in USAGES.items():
        for row in rows[split][rows[split] >= 0]:
            if row >= len(usages) or usages[row] != usage:
                found = usages[row] if row < len(usages) else "no such line"
                raise DatasetError(
                    f"{votes_path}, line {row + 2}: found the Usage {found!r}, but the image that {path} has "
                    f"there is of {usage}; give the two files that belong together"
                )
    # An image of unknown row has no votes.
    return {split: np.where(of[:, None] >= 0, votes[of], 0) for split, of in rows.items()}


def _find(root: str | os.PathLike[str]) -> Path:
    """The CSV, the zip, or the folder with the class folders that `root` means."""
    path = files.at(root)
    if path.is_dir():
        for name in ("fer2013.csv", "icml_face_data.csv"):
            if (path / name).is_file():
                return path / name
        if all((path / folder).is_dir() for folder in _FOLDERS):
            return path
        if (path / "fer2013.zip").is_file():
            return path / "fer2013.zip"
        raise DatasetError(f"{path}: this folder holds no FER2013; give root= one of {FORMS}")
    if not path.is_file():
        raise DatasetError(f"{path}: no such file or folder; give root= one of {FORMS}")
    if path.suffix.lower() not in (".csv", ".zip"):
        raise DatasetError(f"{path}: neither a .csv nor a .zip file; give root= one of {FORMS}")
    if path.stat().st_size == 0:
        raise DatasetError(f"{path}: the file is empty (0 bytes); fetch it again")
    return path


class _Rows:
    """Images as they are read: per split their pixels, labels and origins (row numbers or names)."""

    def __init__(self) -> None:
        self.pixels = {name: bytearray() for name in USAGES.values()}
        self.labels: dict[str, list[int]] = {name: [] for name in USAGES.values()}
        self.origins: dict[str, list[Any]] = {name: [] for name in USAGES.values()}

    def add(self, split: str, pixels: bytes, label: int, origin: Any) -> None:
        self.pixels[split] += pixels
        self.labels[split].append(label)
        self.origins[split].append(origin)

    def save(self, directory: Path, source: Path, origin: str) -> None:
        """Write `{split}_pixels`, `{split}_labels`, `{split}_{origin}`; refuse an empty split or class."""
        for usage, split in USAGES.items():
            labels = np.array(self.labels[split], np.int64)
            if not len(labels):
                raise DatasetError(f"{source}: no image of the split {usage}; the file is incomplete, fetch it again")
            missing = np.flatnonzero(np.bincount(labels, minlength=len(CLASSES)) == 0)
            if len(missing):
                raise DatasetError(
                    f"{source}: no image of class {CLASSES[missing[0]]} in the split {usage}; the data is "
                    "incomplete, fetch it again"
                )
            pixels = np.frombuffer(self.pixels[split], np.uint8).reshape(len(labels), *SHAPE)
            np.save(directory / f"{split}_pixels.npy", pixels)
            np.save(directory / f"{split}_labels.npy", labels)
            np.save(directory / f"{split}_{origin}.npy", np.array(self.origins[split]))


def _build_csv(path: Path, directory: Path) -> None:
    if path.stat().st_size > _MAX_BYTES:
        raise DatasetError(f"{path}: more than {_MAX_BYTES:,} bytes; this is no FER2013, fetch it again")
    rows = _Rows()
    with text_files.readable(path), path.open("rb") as file:
        total = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    with progress(f"reading {path}", total) as bar:
        for position, (where, row) in enumerate(text_files.rows(path, _COLUMNS, of="FER2013's CSV")):
            emotion, pixels, usage = row
            split, label = _usage(where, usage), _label(where, emotion)
            rows.add(split, _pixels(where, pixels), label, position)
            bar.advance()
    found = sum(map(len, rows.labels.values()))
    if found < ROWS:  # it may be a part that somebody wants, so it is no error
        logging.getLogger(__name__).warning(
            "%s: %s of FER2013's %s images; if it was cut off, fetch it again", path, f"{found:,}", f"{ROWS:,}"
        )
    rows.save(directory, path, "rows")


def _usage(where: str, text: str) -> str:
    try:
        return USAGES[text.strip()]
    except KeyError:
        raise DatasetError(
            f"{where}: found the Usage {text[:40]!r}, expected one of {', '.join(USAGES)}; correct the row or remove it"
        ) from None


_LABELS = {str(label): label for label in range(len(CLASSES))}
_SPACE = b" \t\n\r\x0b\x0c"


def _label(where: str, text: str) -> int:
    try:
        return _LABELS[text.strip()]
    except KeyError:
        raise DatasetError(
            f"{where}: found the emotion {text[:40]!r}, expected 0 to {len(CLASSES) - 1} "
            f"({', '.join(CLASSES)}); correct the row or remove it"
        ) from None


def _pixels(where: str, text: str) -> bytes:
    data = text.encode()
    if not data.translate(None, b"0123456789" + _SPACE):
        # Four times as fast as int() for each; nothing but numbers and space gets here, so all of it is read.
        values = np.fromstring(text, np.int64, sep=" ")
        if len(values) == _PIXELS and values.max() <= 255:
            return values.astype(np.uint8).tobytes()
    tokens = data.split()
    if len(tokens) != _PIXELS:
        raise DatasetError(
            f"{where}: found {len(tokens):,} pixels, expected {_PIXELS:,} (48x48); correct the row or remove it"
        )
    wrong = next(token for token in tokens if not token.isdigit() or len(token) > 3 or int(token) > 255)
    raise DatasetError(
        f"{where}: found the pixel {wrong[:40].decode(errors='replace')!r}, expected whole numbers from 0 to "
        "255; correct the row or remove it"
    )


def _picture(source: Path, member: str) -> tuple[str, str, int] | None:
    """The key (FOLDER/CLASS/NAME), split and label in a picture's path; None if it is not of the set."""
    path = PurePosixPath(member)
    if path.suffix.lower() not in images.ENDINGS or any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return None
    if not any(part in _FOLDERS for part in path.parts[:-1]):
        return None
    where = f"{source}, {member[:200]}"
    if len(path.parts) < 3 or path.parts[-3] not in _FOLDERS or path.parts[-2] not in CLASSES:
        raise DatasetError(
            f"{where}: expected the picture in train/CLASS/ or test/CLASS/ with CLASS one of "
            f"{', '.join(CLASSES)}; move it or remove it"
        )
    usage = path.name.split("_")[0]
    if usage not in USAGES:
        raise DatasetError(
            f"{where}: the name begins with {usage[:40]!r}, expected one of {', '.join(USAGES)} and an "
            "underscore, which says the split; rename the picture or remove it"
        )
    return "/".join(path.parts[-3:]), USAGES[usage], CLASSES.index(path.parts[-2])


def _build_pictures(source: Path, directory: Path, members: Iterable[str], read: Callable[[str], bytes]) -> None:
    """Decode pictures in the order of their keys."""
    pictures = {}
    for member in members:
        found = _picture(source, member)
        if found is not None:
            key, split, label = found
            if key in pictures:
                raise DatasetError(f"{source}, {member[:200]}: a second picture of this name; remove one of them")
            pictures[key] = member, split, label
    rows = _Rows()
    with progress(f"decoding {source}", len(pictures)) as bar:
        for key, (member, split, label) in sorted(pictures.items()):
            pixels = images.decode(read(member), f"{source}, {member}", SHAPE)
            rows.add(split, pixels.tobytes(), label, key.encode(errors="replace"))
            bar.advance()
    rows.save(directory, source, "members")


def _list_folder(root: Path) -> list[str]:
    """The files below train/ and test/, relative to `root`, sorted."""
    found = []
    for folder in _FOLDERS:
        for at, _, names in os.walk(root / folder):
            below = Path(at).relative_to(root).as_posix()
            found += [f"{below}/{name}" for name in names]
    return sorted(found)


def _build_folder(root: Path, listing: list[str], directory: Path) -> None:
    _build_pictures(root, directory, listing, lambda member: images.read(root / member))


def _build_zip(path: Path, directory: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(path, archive)
            _build_pictures(path, directory, members, lambda member: _read(path, archive, member))
    except (zipfile.BadZipFile, RuntimeError) as error:  # the latter for compression that Python cannot undo
        raise DatasetError(f"{path}: not a whole zip file ({error}); fetch it again") from error


def _read(path: Path, archive: zipfile.ZipFile, member: str) -> bytes:
    # zipfile never yields more bytes than the size that _checked_members has bounded.
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
        raise DatasetError(f"{path}, {member[:200]}: cannot be unpacked ({error}); fetch the zip file again") from error


def _checked_members(path: Path, archive: zipfile.ZipFile) -> list[str]:
    """The names of the files in a zip, none of which escapes from a folder or unpacks into something huge."""
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise DatasetError(f"{path}: {len(infos):,} members, expected at most {_MAX_MEMBERS:,}; is it FER2013?")
    total = 0
    for info in infos:
        where = f"{path}, {info.filename[:200]}"
        name = info.orig_filename
        escapes = name.startswith("/") or "\\" in name or name[1:2] == ":" or ".." in name.split("/")
        if escapes or not info.filename:  # a name may begin with the null that ends it
            raise DatasetError(
                f"{where}: a member's name must be a relative path without ..; do not trust this zip, fetch "
                "another copy"
            )
        total += info.file_size
        if (
            info.file_size > _MAX_MEMBER_BYTES
            or info.file_size > _MAX_RATIO * max(info.compress_size, 1)
            or total > _MAX_BYTES
        ):
            raise DatasetError(
                f"{where}: unpacks from {info.compress_size:,} to {info.file_size:,} bytes, {total:,} with "
                f"those before it; expected at most {_MAX_MEMBER_BYTES:,} a member, {_MAX_RATIO} times its "
                f"packed size and {_MAX_BYTES:,} in all (a zip bomb?); do not trust this zip, fetch another "
                "copy"
            )
    return [info.filename for info in infos if not info.is_dir()]
