"""The data types, and what `load` does to any data set: keywords, limit, streams of the seed."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_gym import DatasetError
from fer_gym.data import DATASETS, Split, Splits, load
from fer_gym.errors import UsageError


def split_of(labels: list[int]) -> Split:
    """Images that tell which they are: the first pixels hold the index."""
    index = np.arange(len(labels), dtype="<u4")
    pixels = np.ascontiguousarray(index[:, None]).view(np.uint8).reshape(-1, 1, 2, 2)
    return Split(pixels, np.array(labels, np.int64))


def splits_of(labels: list[int], classes: int = 3) -> Splits:
    held_out = split_of(list(range(classes)))
    return Splits(split_of(labels), held_out, held_out, tuple("abcdefgh"[:classes]))


def indices(split: Split) -> list[int]:
    return split.pixels.reshape(-1, 4).copy().view("<u4")[:, 0].tolist()


@pytest.mark.parametrize("change", ["pixel", "label", "clean label", "mark", "no marks", "class", "split"])
def test_a_fingerprint_tells_data_from_other_data(change: str) -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])

    def made(change: str = "") -> Splits:
        pixels, given, clean, noise = (
            split_of([0] * 6).pixels.copy(),
            labels.copy(),
            labels.copy(),
            np.zeros(6, np.int8),
        )
        pixels[3, 0, 1, 1] += change == "pixel"
        given[3] += change == "label"
        clean[3] += change == "clean label"
        noise[3] += change == "mark"
        train = Split(pixels, given, clean, None if change == "no marks" else noise)
        val, test = split_of([0, 1, 2]), split_of([0, 1, 2, 2] if change == "split" else [0, 1, 2])
        return Splits(train, val, test, ("a", "b", "d" if change == "class" else "c"))

    assert made().fingerprint() == made().fingerprint() != made(change).fingerprint()


some_labels = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2]), max_size=80).map(lambda drawn: [0, 1, 2, *drawn])


@given(labels=some_labels, limit=st.integers(3, 90), more=st.integers(0, 20), seed=st.integers(0, 2**40))
@settings(max_examples=150, deadline=None)
def test_limit(labels: list[int], limit: int, more: int, seed: int) -> None:
    whole = splits_of(labels)
    cut = load(whole, limit=limit, data_seed=seed)
    kept = indices(cut.train)
    assert len(kept) == min(limit, len(labels))
    assert kept == sorted(set(kept))
    assert cut.train.labels.tolist() == [labels[i] for i in kept]
    counts, all_counts = np.bincount(cut.train.labels, minlength=3), np.bincount(labels, minlength=3)
    assert counts.min() >= 1
    # In proportion, but for rounding and for the one that each class is given.
    assert np.abs(counts - len(kept) * all_counts / len(labels)).max() <= 2
    assert set(kept) <= set(indices(load(whole, limit=limit + more, data_seed=seed).train))
    assert kept == indices(load(whole, limit=limit, data_seed=seed).train)
    assert cut.val is whole.val
    assert cut.test is whole.test


@pytest.mark.parametrize(("limit", "counts"), [(3, [1, 1, 1]), (20, [16, 3, 1]), (40, [32, 6, 2]), (99, [79, 15, 5])])
def test_limit_is_proportional(limit: int, counts: list[int]) -> None:
    cut = load(splits_of([0] * 80 + [1] * 15 + [2] * 5), limit=limit)
    assert np.bincount(cut.train.labels).tolist() == counts


def test_limit_takes_other_images_under_another_seed() -> None:
    whole = splits_of([0, 1, 2] * 30)
    assert indices(load(whole, limit=30, data_seed=0).train) != indices(load(whole, limit=30, data_seed=1).train)


def test_no_limit_copies_nothing() -> None:
    whole = splits_of([0, 1, 2])
    assert load(whole) is whole
    assert load(whole, limit=3) is whole


def test_noise_is_drawn_on_the_images_kept() -> None:
    noisy = load(splits_of([0, 1, 2] * 30), limit=30, noise=("symmetric", 0.5))
    assert noisy.train.noise is not None
    assert np.count_nonzero(noisy.train.noise) == 15
    assert noisy.val.noise is None


def test_noise_does_not_move_the_limit() -> None:
    whole = splits_of([0, 1, 2] * 30)
    assert indices(load(whole, limit=30, noise=("pair", 0.5)).train) == indices(load(whole, limit=30).train)


def test_global_generators_neither_matter_nor_move() -> None:
    whole = splits_of([0, 1, 2] * 30)
    np.random.seed(1)  # noqa: NPY002
    first = load(whole, limit=30, noise="faces")
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert np.random.random() == drawn  # noqa: NPY002
    second = load(whole, limit=30, noise="faces")
    np.testing.assert_array_equal(first.train.pixels, second.train.pixels)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        (
            {"name": "fer2014"},
            "dataset: 'fer2014' is unknown; use 'synthetic', 'synthetic-rare', 'fer2013', 'rafdb', 'expw', "
            "'affectnet', 'cifar100', 'folder' or a Splits",
        ),
        ({"name": None}, "dataset: None is unknown"),
        ({"limit": 0}, "limit: 0 is not allowed; use a whole number of at least 1"),
        ({"limit": -3}, "limit: -3 is not allowed; use a whole number of at least 1"),
        ({"limit": 2.5}, "limit: 2.5 is not allowed"),
        ({"limit": True}, "limit: True is not allowed"),
        ({"limit": "10"}, "limit: '10' is not allowed"),
        ({"limit": 2, "name": splits_of([0, 1, 2])}, "limit: 2 is not allowed; use at least 3"),
        ({"data_seed": -1}, "data_seed: -1 is not allowed; use a whole number of at least 0"),
        ({"data_seed": None}, "data_seed: None is not allowed"),
        ({"root": "/tmp"}, "root: '/tmp' is not allowed for 'synthetic', which has no files; use None"),
        (
            {"name": splits_of([0, 1, 2]), "root": "/tmp"},
            "root: '/tmp' is not allowed for a Splits, which has no files",
        ),
        ({"name": "folder", "root": 5}, "root: 5 is not allowed; use the path"),
        ({"trian": 5}, "option of 'synthetic': 'trian' is unknown; use train, val, test, seed"),
        ({"train": 0}, "train: 0 is not allowed; use a whole number of at least 1"),
        ({"seed": -1}, "seed: -1 is not allowed; use a whole number of at least 0"),
        ({"name": "folder", "root": ".", "ferplus": "x"}, "option of 'folder': 'ferplus' is unknown; use groups"),
        (
            {"name": "fer2013", "root": ".", "ferplus": "x"},
            "ferplus: only for noise='ferplus'; use that noise, or leave it out",
        ),
        ({"name": "fer2013", "root": ".", "limit": 0}, "limit: 0"),
    ],
)
def test_keyword_that_is_not_allowed(keywords: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match="; use ") as error:
        load(**{"name": "synthetic", **keywords})
    assert said in str(error.value)


def test_numpy_integers_are_whole_numbers() -> None:
    assert len(load(splits_of([0, 1, 2] * 3), limit=np.int32(4), data_seed=np.int64(1)).train) == 4
    assert len(load("synthetic", train=np.int64(30), val=20, test=20, seed=np.int64(0)).train) == 30


def test_names() -> None:
    embedded, in_files = (
        ["synthetic", "synthetic-rare"],
        ["fer2013", "rafdb", "expw", "affectnet", "cifar100", "folder"],
    )
    assert list(DATASETS) == embedded + in_files


def test_synthetic_by_name() -> None:
    splits = load("synthetic", train=30, val=20, test=20, limit=21, noise="faces")
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [21, 20, 20]
    assert splits.image_shape == (1, 48, 48)
    assert splits.train.noise is not None


PIXELS = np.zeros((2, 1, 4, 4), np.uint8)
LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((PIXELS.astype(np.float32), LABELS), "pixels: found float32 of shape (2, 1, 4, 4), expected uint8"),
        ((PIXELS[:, 0], LABELS), "(2, 4, 4), expected uint8 of shape (N, C, H, W)"),
        ((np.zeros((2, 2, 4, 4), np.uint8), LABELS), "C = 1 or 3"),
        ((PIXELS[:0], LABELS[:0]), "a split has no images"),
        ((PIXELS, LABELS.astype(np.int32)), "labels: found int32"),
        ((PIXELS, LABELS[:1]), "labels: found int64 of shape (1,), expected int64 of shape (2,)"),
        ((PIXELS, LABELS, LABELS[:1]), "clean_labels: found int64 of shape (1,)"),
        ((PIXELS, LABELS, None, LABELS), "noise: found int64"),
    ],
)
def test_split_that_is_none(arguments: tuple[np.ndarray, ...], said: str) -> None:
    with pytest.raises(DatasetError) as error:
        Split(*arguments)
    assert said in str(error.value)


def test_splits_that_do_not_fit() -> None:
    good = Split(PIXELS, LABELS)
    with pytest.raises(DatasetError, match=r"val: images of shape \(3, 4, 4\), but the training images are"):
        Splits(good, Split(np.zeros((1, 3, 4, 4), np.uint8), LABELS[:1]), good, ("a", "b"))
    with pytest.raises(DatasetError, match=r"test: label 2 of image 1 is outside 0\.\.1 \(2 classes\)"):
        Splits(good, good, Split(PIXELS, np.array([0, 2])), ("a", "b"))
    with pytest.raises(DatasetError, match="no training image of class c"):
        Splits(good, good, good, ("a", "b", "c"))


def test_take_and_copies() -> None:
    split = Split(
        PIXELS + np.arange(2, dtype=np.uint8)[:, None, None, None],
        LABELS,
        LABELS[::-1],
        np.array([3, 0], np.int8),
    )
    taken = split.take(np.array([1, 1, 0]))
    assert taken.pixels[:, 0, 0, 0].tolist() == [1, 1, 0]
    assert taken.labels.tolist() == [1, 1, 0]
    assert taken.clean_labels is not None
    assert taken.noise is not None
    assert taken.clean_labels.tolist() == [0, 0, 1]
    assert taken.noise.tolist() == [0, 0, 3]
    splits = Splits(split, split, split, ("a", "b"))
    assert copy.deepcopy(splits) is splits
    assert copy.deepcopy(split) is split
