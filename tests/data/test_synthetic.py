from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

from fer_gym.data import synthetic
from fer_gym.errors import DatasetError


@pytest.fixture(scope="module")
def drawn() -> synthetic.Split:
    return synthetic.draw_split(seed=5, split=0, size=1000)


def test_form() -> None:
    splits = synthetic.load(train=40, val=20, test=21)
    assert splits.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    for split, size in ((splits.train, 40), (splits.val, 20), (splits.test, 21)):
        assert split.pixels.shape == (size, 1, 48, 48)
        assert split.pixels.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.clean_labels is None
        assert split.noise is None


def test_every_twenty_pictures_hold_every_class() -> None:
    for start in (0, 20, 40):
        labels = synthetic.draw_labels(seed=3, split=1, size=60)[start : start + 20]
        assert np.bincount(labels).tolist() == [3, 2, 3, 4, 3, 2, 3]


def test_drawn_again_it_is_the_same(drawn: synthetic.Split) -> None:
    again = synthetic.draw_split(seed=5, split=0, size=30)
    np.testing.assert_array_equal(again.pixels, drawn.pixels[:30])
    np.testing.assert_array_equal(again.labels, drawn.labels[:30])


def test_global_generators_neither_matter_nor_move() -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = synthetic.draw_split(seed=0, split=0, size=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(synthetic.draw_split(seed=0, split=0, size=3).pixels, first.pixels)


def test_sizes_of_the_splits_do_not_disturb_each_other() -> None:
    small, large = synthetic.load(train=20, val=20, test=20), synthetic.load(train=45, val=20, test=33)
    np.testing.assert_array_equal(large.train.pixels[:20], small.train.pixels)
    np.testing.assert_array_equal(large.val.pixels, small.val.pixels)
    np.testing.assert_array_equal(large.test.pixels[:20], small.test.pixels)


def test_seeds_and_splits_differ() -> None:
    pictures = [synthetic.draw_split(seed, split, size=20).pixels for seed in (0, 1, 2**40) for split in (0, 1, 2)]
    assert len({picture.tobytes() for split in pictures for picture in split}) == 9 * 20


def test_the_cache_returns_what_was_drawn(empty_cache: Path) -> None:
    first = synthetic.load(seed=1, train=20, val=20, test=20)
    entries = sorted(empty_cache.iterdir())
    assert len(entries) == 3
    second = synthetic.load(seed=1, train=20, val=20, test=20)
    assert sorted(empty_cache.iterdir()) == entries
    np.testing.assert_array_equal(second.train.pixels, first.train.pixels)
    np.testing.assert_array_equal(first.test.pixels, synthetic.draw_split(seed=1, split=2, size=20).pixels)


@pytest.mark.parametrize(
    ("keyword", "value"), [("seed", -1), ("train", 0), ("val", 0), ("test", -5)], ids=lambda v: str(v)
)
def test_bad_values_are_named(keyword: str, value: int, empty_cache: Path) -> None:
    with pytest.raises(ValueError, match=f"{keyword}: {value} is not allowed"):
        synthetic.load(**{keyword: value})
    assert not list(empty_cache.iterdir())


def test_too_few_for_every_class() -> None:
    with pytest.raises(DatasetError, match="no training image of class"):
        synthetic.load(train=3, val=1, test=1)


def test_prototypes_use_known_action_units() -> None:
    for units in synthetic.EXPRESSIONS.values():
        assert set(units) <= set(synthetic.ACTION_UNITS)


def test_pictures_are_neither_flat_nor_clipped(drawn: synthetic.Split) -> None:
    assert drawn.pixels.std(axis=(1, 2, 3)).min() > 5
    assert np.isin(drawn.pixels, (0, 255)).mean() < 0.1


def accuracy(parts: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Of a linear classifier on the parts, each with its mean and contrast taken out."""
    x = parts.reshape(len(parts), -1).astype(np.float64)
    x = (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1)
    half = len(x) * 2 // 3
    fitted = RidgeClassifier(alpha=1000.0).fit(x[:half], labels[:half])
    return float(fitted.score(x[half:], labels[half:]))


def test_faces_and_halves_show_the_expression_and_corners_do_not(drawn: synthetic.Split) -> None:
    pixels, labels = drawn.pixels[:, 0], drawn.labels
    corners = [pixels[:, y, x] for y in (slice(12), slice(-12, None)) for x in (slice(12), slice(-12, None))]
    chance = np.bincount(labels).max() / len(labels)
    assert accuracy(pixels, labels) > 2 * chance
    assert accuracy(pixels[:, :, :24], labels) > 1.5 * chance
    assert accuracy(pixels[:, :, 24:], labels) > 1.5 * chance
    for corner in corners:
        assert accuracy(corner, labels) < chance + 0.08
        assert len({part.tobytes() for part in corner}) == len(corner)
