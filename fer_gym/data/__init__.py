"""Data sets: `load` gives three splits of uint8 images, limited in number and made noisy as asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Source:
    """A data set.

    Attributes:
        what: in words.
        options: the keywords that it takes, besides those of every data set.
        forms: what its root may be; "" for those that come with the package.
        names: under which it is looked for in the folder that `_DATA` names.
        carved: its loader, if its carved splits lie in the cache.
    """

    what: str
    options: tuple[str, ...]
    forms: str = ""
    names: tuple[str, ...] = ()
    carved: Callable[..., Splits] | None = None


_DRAWN_OPTIONS = ("train", "val", "test", "seed")
_SOURCES = {
    "synthetic": _Source("faces drawn by the package: seven expressions, 48x48 grey", _DRAWN_OPTIONS),
    "synthetic-rare": _Source("as synthetic, but disgust, surprise and fear are rare in training", _DRAWN_OPTIONS),
    "fer2013": _Source(
        "FER2013: seven expressions, 48x48 grey",
        ("ferplus", "row_order"),
        fer2013.FORMS,
        ("fer2013", "fer2013.zip", "fer2013.csv"),
    ),
    "rafdb": _Source("RAF-DB: seven expressions, colour", ("image_size", "grey"), rafdb.FORMS, ("rafdb",), rafdb.load),
    "expw": _Source(
        "ExpW: seven expressions, colour", ("image_size", "grey", "min_confidence"), expw.FORMS, ("expw",), expw.load
    ),
    "affectnet": _Source(
        "AffectNet: eight expressions, colour",
        ("image_size", "grey", "classes"),
        affectnet.FORMS,
        ("affectnet",),
        affectnet.load,
    ),
    "cifar100": _Source(
        "CIFAR-100: 100 classes without faces, 32x32 colour",
        ("labels",),
        cifar100.FORMS,
        ("cifar100", "cifar100.tar.gz"),
        cifar100.load,
    ),
    "folder": _Source("your own pictures", ("groups",), folder.FORMS),
}
#: What each data set is.
DATASETS = {
    name: f"{source.what}; " + (f"root: {source.forms}" if source.forms else "needs no root")
    for name, source in _SOURCES.items()
}
#: Those that come with the package.
DRAWN = tuple(name for name, source in _SOURCES.items() if not source.forms)
# The environment variable that names a folder of data sets.
_DATA = "FER_GYM_DATA"
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
    allowed = () if isinstance(name, Splits) else _SOURCES[name].options
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
    if carved := _SOURCES[name].carved:
        return carved(root, seed, **options)
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
    if not place:
        return None
    paths = (files.at(place) / each for each in _SOURCES[name].names)
    return next((path for path in paths if path.exists()), None)


def _no_root(name: str) -> DatasetError:
    """What to say of a data set in files that was given no root."""
    source = _SOURCES[name]
    if not source.names:
        return DatasetError(f"root: None is not allowed for {name!r}; use {source.forms}")
    names = " or ".join(", ".join(source.names).rsplit(", ", 1))
    if place := os.environ.get(_DATA):
        return DatasetError(f"{place}: this folder, which {_DATA} names, has no {names}; put it there or give root=")
    return DatasetError(
        f"root: None is not allowed for {name!r}; use {source.forms}, or let {_DATA} name a folder that holds {names}"
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
