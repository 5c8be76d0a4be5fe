"""Data sets: `load` gives three splits of uint8 images, cut to size and made noisy as asked."""

from __future__ import annotations

import operator
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym.data import fer2013, folder, synthetic
from fer_gym.data import noise as noises
from fer_gym.data.splits import Split, Splits
from fer_gym.errors import DatasetError, UsageError

__all__ = ["DATASETS", "DatasetError", "Split", "Splits", "load"]

#: What each data set is.
DATASETS = {
    "synthetic": "faces drawn by the package: seven expressions, 48x48 grey; needs no root",
    "fer2013": f"FER2013: seven expressions, 48x48 grey; root: {fer2013.FORMS}",
    "folder": f"your own pictures; root: {folder.FORMS}",
}
_OPTIONS = {
    "synthetic": ("train", "val", "test", "seed"),
    "fer2013": ("ferplus", "row_order"),
    "folder": (),
}
# The streams that data_seed is divided into: one choice must not move another.
_CARVE, _LIMIT, _NOISE = range(3)


def load(
    name: str | Splits,
    root: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    noise: Any = None,
    data_seed: int = 0,
    **options: Any,
) -> Splits:
    """Load a data set; from the user's cache after the first time.

    Args:
        name: one of `DATASETS`; or a `Splits`, to which `limit` and `noise` are applied.
        root: the file or folder that holds it; "synthetic" and a `Splits` have none.
        limit: at most so many training images, each class in proportion and with at least one. A smaller
            limit's images are among a larger one's. None takes all. Validation and test images are never cut.
        noise: corrupts the training images: None, "faces", ("faces", (full, half, none)), ("symmetric",
            rate), ("pair", rate) or "ferplus" (see `fer_gym.data.noise`).
        data_seed: decides which images are carved for validation and test, kept by the limit and made noisy.
        **options: "fer2013" takes, with noise="ferplus", `ferplus` (FER+'s fer2013new.csv) and `row_order`
            (the table from pictures to rows, for the folder and the zip), looked for beside the data
            otherwise; "synthetic" takes `train`, `val` and `test` (numbers of images) and `seed`.

    Returns:
        The splits: `pixels` uint8 (N, C, H, W), `labels` int64 (N,).

    Raises:
        DatasetError: if the data is missing or broken; the message names the file and the row.
        ValueError: if a keyword's value is not allowed; the message names it.
    """
    data_seed = _whole("data_seed", data_seed, 0)
    if limit is not None:
        limit = _whole("limit", limit, 1)
    doubts = noises.check(noise) == ("ferplus", ())
    splits = _load_whole(name, root, data_seed, doubts, options)
    train = splits.train
    if limit is not None:
        train = _limited(train, limit, len(splits.classes), np.random.default_rng([data_seed, _LIMIT]))
    train = noises.apply(train, noise, len(splits.classes), np.random.default_rng([data_seed, _NOISE]))
    if train is splits.train:
        return splits
    return Splits(train, splits.val, splits.test, splits.classes)


def _load_whole(
    name: str | Splits,
    root: str | os.PathLike[str] | None,
    data_seed: int,
    doubts: bool,
    options: dict[str, Any],
) -> Splits:
    """The data set before limit and noise, once every keyword has been checked."""
    if not isinstance(name, (str, Splits)) or (isinstance(name, str) and name not in DATASETS):
        raise DatasetError(f"unknown data set {name!r}; allowed: {', '.join(DATASETS)}, or a Splits of your own")
    allowed = _OPTIONS[name] if isinstance(name, str) else ()
    called = repr(name) if isinstance(name, str) else "a Splits"
    for option in options:
        if option not in allowed:
            raise UsageError(f"{called} has no option {option!r}; allowed: {', '.join(allowed) or 'none'}")
    if root is not None and name not in ("fer2013", "folder"):
        raise UsageError(f"root={str(root)!r}: {called} takes no root; leave it out")
    if not (root is None or isinstance(root, (str, os.PathLike))):
        raise UsageError(f"root={root!r}: allowed: the path of a file or folder")
    if isinstance(name, Splits):
        return name
    if doubts and name != "fer2013":
        raise UsageError(f'noise="ferplus" needs FER+ votes, which only the data set "fer2013" has, not {called}')
    if name == "synthetic":
        return synthetic.load(**{key: _whole(key, value, 0 if key == "seed" else 1) for key, value in options.items()})
    if name == "fer2013":
        if options and not doubts:
            raise UsageError(
                f'{", ".join(options)}: only read with noise="ferplus"; leave it out or ask for that noise'
            )
        return fer2013.load(root, doubts, options.get("ferplus"), options.get("row_order"))
    return folder.load(root, np.random.default_rng([data_seed, _CARVE]))


def _whole(keyword: str, value: Any, least: int) -> int:
    """`value` as an int, if it is a whole number (a bool is none) and at least `least`."""
    try:
        number = -1 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = -1
    if number < least:
        raise UsageError(f"{keyword}={value!r}: allowed: whole numbers from {least}")
    return number


def _limited(split: Split, limit: int, classes: int, rng: np.random.Generator) -> Split:
    """At most `limit` images: the first of a stratified order, so that smaller sets nest in larger ones."""
    if limit < classes:
        raise UsageError(f"limit={limit}: allowed: at least {classes}, one image for each class, or None for all")
    if limit >= len(split):
        return split
    place = np.empty(len(split))
    for label in range(classes):
        members = rng.permutation(np.flatnonzero(split.labels == label))
        # Spread evenly over (0, 1), each class's images interleave with the others' in proportion; one leads.
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
        place[members[:1]] = 0
    order: NDArray[np.int64] = np.argsort(place, kind="stable")
    return split.take(np.sort(order[:limit]))
