"""Records of trials: one JSON file each, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fer_gym import files

#: Raised when a record's fields change; records of another version are not mixed with these.
FORMAT = 1


def path_of(folder: Path, task: str, arm: str, seed: int) -> Path:
    """Where the record of a trial lies."""
    return folder / "records" / f"{task}__{arm.replace(' ', '-')}__{seed}.json"


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record, whole or not at all."""
    with files.written_whole(path) as file:
        file.write(json.dumps({"format": FORMAT, **record}).encode())


def read(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        ValueError: if the file is no record of this version; it is left as it is.
    """
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a record ({error}); move it away, and --resume runs its trial again") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"{path}: not a record of format {FORMAT}; use another --out")
    return record
