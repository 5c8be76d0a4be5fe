"""Arrays as records keep them: no finer than anyone reads them, so that they compress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rounded(values: ArrayLike, bits: int, kind: type[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Values rounded to so many significant bits: the bits behind are zeros, which compress to nothing.

    Args:
        values: of any shape.
        bits: those that are kept, the leading one included.
        kind: `np.float16` or `np.float32`; values that are too large for float16 become float32.
    """
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    exact = np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)
    large = np.nanmax(np.abs(exact), initial=0.0) > np.finfo(kind).max
    made: NDArray[np.floating[Any]] = exact.astype(np.float32 if large else kind)
    return made


def padded(rows: Sequence[Sequence[Any]], kind: type[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Rows of numbers, or of vectors of one length, as one array; NaN where a row is shorter than the longest.

    Args:
        rows: E lists of up to T numbers, or of up to T vectors of h.
        kind: `np.float16` or `np.float32`.

    Returns:
        (E, T) or (E, T, h).
    """
    first = np.asarray(rows[0])
    made = np.full((len(rows), max(map(len, rows)), *first.shape[1:]), np.nan, dtype=kind)
    for place, row in enumerate(rows):
        made[place, : len(row)] = row
    return made
