"""Data sets: `load` gives three splits of uint8 images, limited in number and made noisy as asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.checks import check_choice, check_count
from fer_gym.data import affectnet, cifar100, expw, fer2013, folder, rafdb, synthetic
from fer_gym.data import noise as noises
from fer_gym.data.splits import Split, Splits
from fer_gym.errors import DatasetError, UsageError

__all__ = ["DATASETS", "DRAWN", "DatasetError", "Split", "Splits", "default_root", "load"]

#: What each data set is.
DATASETS = {
    "synthetic": "faces drawn by the package: seven expressions, 48x48 grey; needs no root",
    "synthetic-rare": "as synthetic, but disgust, surprise and fear are rare in training; needs no root",
    "fer2013": f"FER2013: seven expressions, 48x48 grey; root: {fer2013.FORMS}",
    "rafdb": f"RAF-DB: seven expressions, colour; root: {rafdb.FORMS}",
    "expw": f"ExpW: seven expressions, colour; root: {expw.FORMS}",
    "affectnet": f"AffectNet: eight expressions, colour; root: {affectnet.FORMS}",
    "cifar100": f"CIFAR-100: 100 classes without faces, 32x32 colour; root: {cifar100.FORMS}",
    "folder": f"your own pictures; root: {folder.FORMS}",
}
#: Those that come with the package.
DRAWN = ("synthetic", "synthetic-rare")
_OPTIONS = {
    **dict.fromkeys(DRAWN, ("train", "val", "test", "seed")),
    "fer2013": ("ferplus", "row_order"),
    "rafdb": ("image_size", "grey"),
    "expw": ("image_size", "grey", "min_confidence"),
    "affectnet": ("image_size", "grey", "classes"),
    "cifar100": ("labels",),
    "folder": ("groups",),
}
# Those whose carved splits lie in the cache.
_CARVED: dict[str, Callable[..., Splits]] = {
    "rafdb": rafdb.load,
    "expw": expw.load,
    "affectnet": affectnet.load,
    "cifar100": cifar100.load,
}
_FORMS = {
    "fer2013": fer2013.FORMS,
    "rafdb": rafdb.FORMS,
    "expw": expw.FORMS,
    "affectnet": affectnet.FORMS,
    "cifar100": cifar100.FORMS,
    "folder": folder.FORMS,
}
# The environment variable that names a folder, and the names under which data sets are looked for there.
_DATA = "FER_GYM_DATA"
_IN_DATA = {
    "fer2013": ("fer2013", "fer2013.zip", "fer2013.csv"),
    "rafdb": ("rafdb",),
    "expw": ("expw",),
    "affectnet": ("affectnet",),
    "cifar100": ("cifar100", "cifar100.tar.gz"),
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
        root: the file or folder that holds it. None looks for the data set under its own name (`fer2013`,
            `fer2013.zip` or `fer2013.csv`; `rafdb`; ...) in the folder that the environment variable FER_GYM_DATA
            names. "folder" always needs one; those of `DRAWN` and a `Splits` take none.
        limit: at most so many training images, each class in proportion and with at least one. A smaller
            limit's images are among a larger one's. None takes all. Validation and test images are never left out.
        noise: corrupts the training images: None, "faces", ("faces", (full, half, none)), ("symmetric",
            rate), ("pair", rate), ("per_class", rates), ("duplicates", (share, sources)) or "ferplus" (see
            `fer_gym.data.noise`).
        data_seed: decides which images are taken for validation and test, which are within the limit, and which are
            made noisy.
        **options: "fer2013" takes, with noise="ferplus", `ferplus` (FER+'s fer2013new.csv) and `row_order`
            (the table from pictures to rows, for the folder and the zip), looked for beside the data
            otherwise; "rafdb", "expw" and "affectnet" take `image_size` (the images' side in pixels) and `grey`
            (True mixes the colours to one channel), "expw" also `min_confidence` and "affectnet" `classes` (8 or
            7); "cifar100" takes `labels` ("fine" or "coarse"), "folder" takes `groups` (see
            `fer_gym.data.folder.load`); those of `DRAWN` take `train`, `val` and `test` (numbers of images) and
            `seed`.

    Returns:
        The splits: `pixels` uint8 (N, C, H, W), `labels` int64 (N,).

    Raises:
        DatasetError: if the data is missing or broken; the message names the file and the row.
        UsageError: if a keyword's value is not allowed; the message names it.
    """
    check_count("data_seed", data_seed, least=0)
    if limit is not None:
        check_count("limit", limit, least=1)
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
    if not isinstance(name, Splits):
        check_choice("dataset", name, DATASETS, or_else="a Splits of your own")
    allowed = () if isinstance(name, Splits) else _OPTIONS[name]
    called = "a Splits" if isinstance(name, Splits) else repr(name)
    for option in options:
        if option not in allowed:
            raise UsageError(f"option of {called}: {option!r} is unknown; use {', '.join(allowed) or 'none'}")
    if not (root is None or isinstance(root, str | os.PathLike)):
        raise UsageError(f"root: {root!r} is not allowed; use the path of a file or folder")
    if root is not None and (isinstance(name, Splits) or name in DRAWN):
        raise UsageError(f"root: {str(root)!r} is not allowed for {called}, which has no files; use None")
    if isinstance(name, Splits):
        return name
    if doubts and name != "fer2013":
        raise UsageError(f"noise: 'ferplus' is not allowed for {called}; use it for 'fer2013', which FER+ has votes on")
    if name in DRAWN:
        return synthetic.load(**options, rare=name == "synthetic-rare")
    if name == "fer2013" and options and not doubts:
        raise UsageError(f"{', '.join(options)}: only for noise='ferplus'; use that noise, or leave it out")
    root = default_root(name) if root is None else root
    if root is None:
        raise _no_root(name)
    seed = int(data_seed), _CARVE
    if name in _CARVED:
        return _CARVED[name](root, seed, **options)
    if name == "folder":
        return folder.load(root, np.random.default_rng(seed), **options)
    return fer2013.load(root, doubts, options.get("ferplus"), options.get("row_order"))


def default_root(name: str) -> Path | None:
    """Where the folder that the environment variable FER_GYM_DATA names has a data set, under its own name.

    Args:
        name: one of `DATASETS`.

    Returns:
        The path; None if the variable is not set, the folder has none, or the data set has no place of its own there.
    """
    place = os.environ.get(_DATA)
    if not place or name not in _IN_DATA:
        return None
    paths = (files.at(place) / each for each in _IN_DATA[name])
    return next((path for path in paths if path.exists()), None)


def _no_root(name: str) -> DatasetError:
    """What to say of a data set in files that was given no root."""
    if name not in _IN_DATA:
        return DatasetError(f"root: None is not allowed for {name!r}; use {_FORMS[name]}")
    names = " or ".join(", ".join(_IN_DATA[name]).rsplit(", ", 1))
    if place := os.environ.get(_DATA):
        return DatasetError(f"{place}: this folder, which {_DATA} names, has no {names}; put it there or give root=")
    return DatasetError(
        f"root: None is not allowed for {name!r}; use {_FORMS[name]}, or let {_DATA} name a folder that holds {names}"
    )


def _limited(split: Split, limit: int, classes: int, rng: np.random.Generator) -> Split:
    """At most `limit` images: the first of a stratified order, so that smaller sets nest in larger ones."""
    if limit < classes:
        raise UsageError(f"limit: {limit} is not allowed; use at least {classes}, one image for each class, or None")
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
