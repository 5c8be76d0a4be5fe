"""Carve validation and test images out of the training images: stratified, and by groups that stay together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym.data import cache
from fer_gym.data.splits import Split, Splits
from fer_gym.errors import DatasetError

# How many images are copied at once: what carving takes in memory, however large the set is.
_COPIED = 256


def carve(
    where: str | Path,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    shares: Sequence[float],
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
) -> list[NDArray[np.int64]]:
    """Divide images into parts that have each class in proportion.

    A part has its share of all images, rounded up, and at least one of each class. With groups, which stay whole, it
    comes as near to that as the groups let it.

    Args:
        where: the data set's folder or list, for error messages.
        labels: int64, (N,).
        classes: their names.
        shares: of all images, for each part.
        rng: deals out the images.
        groups: (N,), sortable: images of equal entries stay together. None: each image is a group.

    Returns:
        The indices of each part's images, then those of all others, each in rising order.

    Raises:
        DatasetError: if a class has too few images or groups to be in every part.
    """
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts.tolist(), strict=True):
        if count <= len(shares):
            raise DatasetError(
                f"{where}: {count} pictures of class {name!r}, expected at least {len(shares) + 1}, one for each "
                "split; add some or remove the class"
            )
    group_of = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    by_group = np.argsort(group_of, kind="stable")
    starts = np.flatnonzero(np.diff(group_of[by_group], prepend=-1))
    tallies = [Counter(members.tolist()) for members in np.split(labels[by_group], starts[1:])]
    part_of_group = _deal(tallies, [_targets(counts, share, len(shares)) for share in shares], rng)
    part_of = part_of_group[group_of]
    parts = [np.flatnonzero(part_of == part) for part in range(len(shares) + 1)]
    for part in parts:
        for label in np.flatnonzero(np.bincount(labels[part], minlength=len(classes)) == 0).tolist():
            found = sum(label in tally for tally in tallies)
            raise DatasetError(
                f"{where}: the pictures of class {classes[label]!r} are in {found} groups that stay together, too few "
                f"to have some in each of {len(parts)} splits; use smaller groups, add pictures or remove the class"
            )
    return parts


def _targets(counts: NDArray[np.int64], share: float, parts: int) -> list[int]:
    """How many images of each class a part should have: the largest remainders are rounded up."""
    # A share such as .1 may be a little more than that.
    total = math.ceil(share * counts.sum() - 1e-9 * counts.sum())
    exact = total * counts / counts.sum()
    most = (counts - 1) // parts
    targets = np.minimum(np.maximum(exact.astype(np.int64), 1), most)
    for label in np.argsort(targets - exact, kind="stable"):
        targets[label] += int(targets.sum() < total and targets[label] < most[label])
    return [int(target) for target in targets]


def _deal(tallies: list[Counter[int]], needs: list[list[int]], rng: np.random.Generator) -> NDArray[np.int64]:
    """The part of each group, `len(needs)` for none of them.

    Args:
        tallies: of each group, its images of each class.
        needs: of each part, the images of each class that it lacks; changed.
        rng: the order of the groups.
    """

    def give(group: int, part: int) -> None:
        part_of[group] = part
        for label, number in tallies[group].items():
            needs[part][label] -= number
            left[label] -= 1

    def gain(group: int, part: int) -> int:
        """How much nearer, in squared distance, the group brings the part to what it needs."""
        return sum(number * (2 * needs[part][label] - number) for label, number in tallies[group].items())

    def fits(group: int, part: int) -> bool:
        return all(number <= needs[part][label] for label, number in tallies[group].items())

    def is_spare(group: int) -> bool:
        """Whether the group is in no part, and each of its classes is in another such group, too."""
        return part_of[group] == len(needs) and all(left[label] > 1 for label in tallies[group])

    part_of = np.full(len(tallies), len(needs))
    groups_with = Counter(label for tally in tallies for label in tally)
    left = groups_with.copy()
    rarity = np.array([min(groups_with[label] for label in tally) for tally in tallies])
    order = rng.permutation(len(tallies))
    # Groups with rare classes are dealt first: later ones can make up for what comes with them.
    order = order[np.argsort(rarity[order], kind="stable")]
    # First what fits; then, where groups are large, what overshoots by less than was lacking.
    for is_wanted in (fits, lambda group, part: gain(group, part) > 0):
        for group in order.tolist():
            part = next((part for part in range(len(needs)) if is_wanted(group, part)), None)
            if part is not None and is_spare(group):
                give(group, part)
    # If every group with a class is far larger than a part's share, the part has none yet. It gets one all the same.
    for part in range(len(needs)):
        for label in groups_with:
            if not any(label in tallies[group] for group in np.flatnonzero(part_of == part)):
                spare = [group for group in order.tolist() if label in tallies[group] and is_spare(group)]
                if spare:
                    give(max(spare, key=lambda group: gain(group, part)), part)
    return part_of


def carved(
    name: str,
    key: Mapping[str, Any],
    decoded: Mapping[str, NDArray[Any]],
    classes: Sequence[str],
    shares: Mapping[str, float],
    seed: Sequence[int],
    where: str | Path,
) -> Splits:
    """Splits whose parts are carved from the decoded training images and lie in the cache, memory-mapped.

    Args:
        name: the data set's.
        key: all that decides `decoded`.
        decoded: `train_pixels`, `train_labels`, perhaps `train_groups` (see `carve`); `test_pixels` and `test_labels`
            unless they are carved.
        classes: their names.
        shares: "val", and perhaps "test", to its share of the training images.
        seed: deals out the images.
        where: as for `carve`.
    """

    def build(directory: Path) -> None:
        rng = np.random.default_rng(list(seed))
        labels, pixels = decoded["train_labels"], decoded["train_pixels"]
        parts = carve(where, labels, classes, tuple(shares.values()), rng, decoded.get("train_groups"))
        for part, indices in zip([*shares, "train"], parts, strict=True):
            copied = (pixels[indices[i : i + _COPIED]] for i in range(0, len(indices), _COPIED))
            cache.write(directory / f"{part}_pixels.npy", (len(indices), *pixels.shape[1:]), copied)
            np.save(directory / f"{part}_labels.npy", labels[indices])

    split_key = {**key, "seed": list(seed), "shares": dict(shares)}
    arrays = {**decoded, **cache.cached(f"{name}-split", split_key, build)}
    train, val, test = (Split(arrays[f"{part}_pixels"], arrays[f"{part}_labels"]) for part in ("train", "val", "test"))
    return Splits(train, val, test, tuple(classes))
