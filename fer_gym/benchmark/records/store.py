"""Records as files: NAME.json, and NAME.npz where the record has arrays.

Each is written whole or not at all, the NumPy file first: where a trial is stopped in between, there is no record.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.benchmark.records.schema import FORMAT, NotARecordError, OtherFormatError, Record, fault

_ROWS = ("episodes", "children")
_DIGITS = 8
# Of a record, and of its arrays together: some thirty times those of AffectNet's 283,901 images.
_MAX_BYTES = 1 << 27


def path_of(folder: Path, task: str, arm: str, seed: int) -> Path:
    """Where the record of a trial lies."""
    return folder / "records" / f"{task}__{arm.replace(' ', '-')}__{seed}.json"


def path_of_log(record: Path) -> Path:
    """Where the traceback of a failed trial lies, beside its record's path."""
    return record.with_suffix(".log")


def write(path: Path, record: Record) -> None:
    """Write a record, whole or not at all.

    Raises:
        TypeError: if it is no record.
    """
    if wrong := fault(record):
        raise TypeError(f"not a record: {wrong}")
    arrays = record["arrays"]
    content = {"format": FORMAT, **record, "arrays": sorted(arrays)}
    plain = {name: _plain(each, rounded=name in _ROWS) for name, each in content.items()}
    text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    if arrays:
        with files.written_whole(_path_of_arrays(path)) as file:
            np.savez_compressed(file, **arrays)
    with files.written_whole(path) as file:
        file.write(text.encode())


def read(path: Path) -> Record:
    """Read a record.

    Raises:
        OtherFormatError: if another version of the package wrote it.
        NotARecordError: if the file is none, or its arrays are missing. In either case it is left as it is.
    """
    try:
        _check_size(files.size_of(path))
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise NotARecordError(
            f"{path}: not a record ({error}); move it away, and --resume runs its trial again"
        ) from error
    if not isinstance(record, dict) or type(record.get("format")) is not int:
        raise NotARecordError(f"{path}: not a record of format {FORMAT}; move it away")
    if record["format"] != FORMAT:
        raise OtherFormatError(f"{path}: a record of format {record['format']!r}, not of format {FORMAT}")
    del record["format"]
    record["arrays"] = _read_arrays(path, record.get("arrays"))
    if wrong := fault(record):
        raise NotARecordError(f"{path}: not a record ({wrong}); move it away")
    return record


def _path_of_arrays(path: Path) -> Path:
    return path.with_suffix(".npz")


def _read_arrays(path: Path, names: Any) -> dict[str, NDArray[Any]]:
    if not isinstance(names, list):
        raise NotARecordError(f"{path}: not a record ('arrays' is missing or no list); move it away")
    if not names:
        return {}
    arrays = _path_of_arrays(path)
    try:
        files.size_of(arrays)
        with np.load(arrays, allow_pickle=False) as found:
            _check_size(sum(member.file_size for member in found.zip.infolist()))
            return {name: found[name] for name in names}
    except (*files.NUMPYS_ERRORS, TypeError) as error:  # the last of a single array
        raise NotARecordError(
            f"{path}: not a record (its arrays cannot be read from {arrays.name}: {error}); move it away, and --resume "
            "runs its trial again"
        ) from error


def _check_size(size: int) -> None:
    if size > _MAX_BYTES:
        raise ValueError(f"{size:,} bytes, expected at most {_MAX_BYTES:,}")


def _plain(value: Any, *, rounded: bool) -> Any:
    """JSON has no number that is not finite: null stands for it."""
    if isinstance(value, dict):
        return {key: _plain(each, rounded=rounded) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, rounded=rounded) for each in value]
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}") if rounded else value
