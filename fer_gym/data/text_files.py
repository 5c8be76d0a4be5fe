"""Lines and tables of text files from elsewhere: regular files only, and no line without end."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fer_gym import files
from fer_gym.errors import DatasetError

#: The longest line that is read, in characters: seven times that of an image of FER2013.
LONGEST_LINE = 1 << 16


def check_regular(path: Path) -> int:
    """Raise unless a path, or what it links to, is a file.

    Returns:
        Its size in bytes.

    Raises:
        DatasetError: if it is none, or is not there.
    """
    with readable(path):
        try:
            return files.size_of(path)
        except ValueError as error:
            raise DatasetError(f"{path}: {error}; put the file there, or remove it") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise a `DatasetError` that names the path in place of an `OSError` of the block."""
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); restore the file or its permissions") from error


def lines(path: Path, *, errors: str) -> Iterator[str]:
    """The lines of a UTF-8 file with their ends, as `csv.reader` takes them.

    Args:
        path: of the file.
        errors: what becomes of bytes that are not UTF-8, as `open` takes it.

    Raises:
        DatasetError: if it is no regular file, cannot be read, or a line is longer than `LONGEST_LINE`.
    """
    check_regular(path)
    with readable(path), path.open(newline="", encoding="utf-8-sig", errors=errors) as text:
        number = 0
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise DatasetError(
                    f"{path}, line {number}: longer than {LONGEST_LINE:,} characters; is it the right file?"
                )
            yield line


def rows(path: Path, columns: Sequence[str], *, of: str, errors: str = "replace") -> Iterator[tuple[str, list[str]]]:
    """The rows of a CSV file with a header, blank lines left out.

    Args:
        path: of the file.
        columns: the header's names, in any order.
        of: whose file it is, for the error.
        errors: as for `lines`; "replace" makes a character that no column should accept.

    Yields:
        Where the row is, for an error, and its cells in the order of `columns`.

    Raises:
        DatasetError: as `lines`; or if the header or the number of cells is another, or the file no CSV.
    """
    reader = csv.reader(lines(path, errors=errors))
    try:
        header = [name.strip() for name in next(reader, [])]
        if sorted(header) != sorted(columns):
            raise DatasetError(
                f"{path}, line 1: found the header {','.join(header)[:80]!r}, expected the columns "
                f"{', '.join(columns)} in any order; is it {of}?"
            )
        places = [header.index(name) for name in columns]
        for row in filter(None, reader):
            where = f"{path}, line {reader.line_num}"
            if len(row) != len(columns):
                raise DatasetError(
                    f"{where}: found {len(row)} columns, expected {len(columns)}; correct the row or fetch the file "
                    "again"
                )
            yield where, [row[place] for place in places]
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {reader.line_num}: not readable as CSV ({error}); fetch the file again"
        ) from error
