import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_gym import DatasetError
from fer_gym.data import carving

RAFDB = (1290, 281, 717, 4772, 1982, 705, 2524)


def carve(
    labels: list[int], shares: list[float], groups: list[int] | None = None, seed: int = 0, classes: str = "abc"
) -> list[list[int]]:
    found = carving.carve(
        "here",
        np.array(labels, np.int64),
        list(classes),
        shares,
        np.random.default_rng(seed),
        None if groups is None else np.array(groups),
    )
    return [part.tolist() for part in found]


images = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 1, 2]), st.integers(0, 40)), max_size=120)


@given(drawn=images, parts=st.integers(1, 2), share=st.sampled_from([0.1, 0.2]), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_parts(drawn: list[tuple[int, int]], parts: int, share: float, seed: int) -> None:
    labels = [0, 1, 2] * 3 + [label for label, _ in drawn]
    found = carve(labels, [share] * parts, seed=seed)
    assert sorted(index for part in found for index in part) == list(range(len(labels)))
    assert all(part == sorted(part) for part in found)
    counts = [np.bincount([labels[index] for index in part], minlength=3) for part in found]
    assert min(count.min() for count in counts) >= 1
    for count in counts[:-1]:
        # In proportion, but for rounding and for the one that each class is given.
        assert np.abs(count - share * np.bincount(labels)).max() <= 2
    assert found == carve(labels, [share] * parts, seed=seed)


@given(drawn=images, parts=st.integers(1, 2), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_groups_stay_whole(drawn: list[tuple[int, int]], parts: int, seed: int) -> None:
    labels = [0, 1, 2] * 3 + [label for label, _ in drawn]
    groups = [number // 3 for number in range(9)] + [100 + group // 4 for _, group in drawn]
    found = carve(labels, [0.1] * parts, groups, seed)
    assert sorted(index for part in found for index in part) == list(range(len(labels)))
    homes = [{groups[index] for index in part} for part in found]
    assert sum(map(len, homes)) == len(set(groups))
    for part in found:
        assert {labels[index] for index in part} == {0, 1, 2}


def test_the_sizes_of_the_paper() -> None:
    labels = np.repeat(np.arange(7), RAFDB).tolist()
    assert list(map(len, carve(labels, [0.2], classes="abcdefg"))) == [2455, 9816]
    labels = (np.arange(91_793) % 7).tolist()
    assert list(map(len, carve(labels, [0.1, 0.1], classes="abcdefg"))) == [9180, 9180, 73_433]


def test_groups_of_a_few_cost_no_size() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 3000).tolist()
    groups = np.sort(rng.integers(0, 2000, 3000)).tolist()
    assert list(map(len, carve(labels, [0.1, 0.1], groups))) == [300, 300, 2400]


def test_another_seed_carves_others() -> None:
    labels = [0, 1, 2] * 30
    assert carve(labels, [0.1], seed=1) != carve(labels, [0.1], seed=2)


def test_too_few() -> None:
    with pytest.raises(DatasetError, match=r"here: 2 pictures of class 'c', expected at least 3, one for each split"):
        carve([0, 0, 0, 1, 1, 1, 2, 2], [0.1, 0.1])
    with pytest.raises(DatasetError, match=r"'a' are in 2 groups that stay together, too few .* each of 3 splits"):
        carve([0, 1, 2] * 4, [0.1, 0.1], [0] * 6 + [1] * 6)
