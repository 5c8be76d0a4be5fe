"""Records of trials: one JSON file each, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fer_gym import files
from fer_gym.errors import UsageError

#: Raised when a record's fields change; records of another version are not mixed with these.
FORMAT = 1

Record = dict[str, Any]

_FIELDS = {
    "suite": str,
    "task": str,
    "arm": str,
    "seed": int,
    "settings": dict,
    "versions": dict,
    "episodes": list,
    "scores": dict,
}


class OtherFormatError(UsageError):
    """A record, but one that another version of the package wrote."""


class NotARecordError(UsageError):
    """A file in a record's place that is none: half written, or somebody else's."""


def path_of(folder: Path, task: str, arm: str, seed: int) -> Path:
    """Where the record of a trial lies."""
    return folder / "records" / f"{task}__{arm.replace(' ', '-')}__{seed}.json"


def write(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    with files.written_whole(path) as file:
        file.write(json.dumps({"format": FORMAT, **record}).encode())


def read(path: Path) -> Record:
    """Read a record.

    Raises:
        OtherFormatError: if another version wrote it.
        NotARecordError: if the file is none. In either case it is left as it is.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise NotARecordError(
            f"{path}: not a record ({error}); move it away, and --resume runs its trial again"
        ) from error
    if not isinstance(record, dict) or "format" not in record:
        raise NotARecordError(f"{path}: not a record of format {FORMAT}; move it away")
    if record["format"] != FORMAT:
        raise OtherFormatError(f"{path}: a record of format {record['format']!r}, not of format {FORMAT}")
    for name, kind in _FIELDS.items():
        if type(record.get(name)) is not kind:
            raise NotARecordError(f"{path}: not a record ({name!r} is missing or no {kind.__name__}); move it away")
    return record
