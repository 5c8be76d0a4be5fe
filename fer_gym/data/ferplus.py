"""FER+: ten votes on each image of FER2013, which show where its own labels are doubtful.

Row i of `fer2013new.csv` belongs to row i of `fer2013.csv`, whatever the image's name in it says. Pictures of
the folder and zip forms have lost their row; a table with the columns member and row gives it back, -1 where
it is unknown (such an image is never doubted).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.data import text_files
from fer_gym.data.splits import DOUBTED, UNTOUCHED, Split
from fer_gym.errors import DatasetError

COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
#: FER2013's label for each column; contempt, unknown and NF (no face) have none.
_TO_FER2013 = np.array([6, 3, 5, 4, 0, 1, 2, -1, -1, -1])
VOTES_NAME = "fer2013new.csv"
ROW_ORDER_NAME = "fer2013_row_order.csv"


def majority(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The column with more than half of the votes once single votes are zeroed; -1 where there is none.

    Args:
        votes: (N, 10), in the order of `COLUMNS`.

    Returns:
        int64, (N,).
    """
    kept = np.where(votes == 1, 0, votes)
    return np.where(2 * kept.max(axis=1) > kept.sum(axis=1), kept.argmax(axis=1), -1)


def mark(split: Split, votes: NDArray[np.int64]) -> Split:
    """Mark the images whose label the majority contradicts.

    Args:
        split: N images of FER2013.
        votes: (N, 10), the votes on each; all zero where they are unknown.

    Returns:
        The split with `noise` 4 where a majority exists and is not the label (contempt, unknown and no face
        count as contradicting), and `clean_labels` the majority where it is a class of FER2013, the given
        label elsewhere.
    """
    winner = majority(votes)
    voted = np.where(winner >= 0, _TO_FER2013[winner], -1)
    doubted = (winner >= 0) & (voted != split.labels)
    return Split(
        split.pixels,
        split.labels,
        np.where(voted >= 0, voted, split.labels),
        np.where(doubted, DOUBTED, UNTOUCHED).astype(np.int8),
    )


def find(data: Path, name: str, given: str | os.PathLike[str] | None, keyword: str) -> Path:
    """The file given, else the one called `name` in or beside the data.

    Raises:
        DatasetError: if there is none.
    """
    if given is not None:
        places = [files.at(given)]
    else:
        places = [data / name, data.parent / name] if data.is_dir() else [data.parent / name]
    for place in places:
        if place.is_file():
            return place
    raise DatasetError(
        f"{places[0]}: no such file, which noise='ferplus' needs; put {name} beside the data or give {keyword}=PATH"
    )


def read_votes(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Read `fer2013new.csv`.

    Returns:
        The Usage of each row, and the votes, int64, (rows, 10).

    Raises:
        DatasetError: if the file is empty, its header wrong, or a vote no whole number from 0 to 10.
    """
    usages, votes = [], []
    allowed = {str(vote): vote for vote in range(11)}
    for where, row in text_files.rows(path, ["Usage", "Image name", *COLUMNS], of="FER+'s table of votes"):
        try:
            votes.append([allowed[text.strip()] for text in row[2:]])
        except KeyError as error:
            raise DatasetError(
                f"{where}: found {error.args[0][:40]!r} votes, expected whole numbers from 0 to "
                "10; fetch the file again"
            ) from None
        usages.append(row[0].strip())
    return usages, np.array(votes, np.int64).reshape(-1, len(COLUMNS))


def read_row_order(path: Path) -> dict[str, int]:
    """Read the table from pictures to rows of fer2013.csv.

    Returns:
        Such as "train/angry/Training_3908.jpg" to a row, counted from 0; -1 where it is unknown.

    Raises:
        DatasetError: if the file is empty, its header wrong, a row no whole number, or a picture or row named
            twice.
    """
    order: dict[str, int] = {}
    taken: set[int] = set()
    for where, (member, text) in text_files.rows(path, ["member", "row"], of="the table from pictures to rows"):
        try:
            row = int(text)
        except ValueError:
            row = -2
        if not -1 <= row < _MOST_ROWS or row in taken or member in order:
            raise DatasetError(
                f"{where}: found member {member[:80]!r}, row {text[:40]!r}, expected each member "
                "and each row once, rows counted from 0, -1 for unknown; correct the line"
            )
        order[member] = row
        if row >= 0:
            taken.add(row)
    return order


# Far more than a CSV of images has, and few enough for any integer type.
_MOST_ROWS = 1 << 31


def rows_of_members(members: NDArray[np.bytes_], order: Mapping[str, int], path: Path) -> NDArray[np.int64]:
    """The row of fer2013.csv of each picture; -1 where it is unknown.

    Raises:
        DatasetError: if a picture is not in the table.
    """
    rows = []
    for member in members.tolist():
        name = member.decode()
        if name not in order:
            raise DatasetError(f"{path}: no line for the picture {name}; give the row_order= of this data")
        rows.append(order[name])
    return np.array(rows, np.int64)
