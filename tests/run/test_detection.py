"""How well a score finds the noisy images."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from fer_gym.benchmark.run.detection import f1_at_the_true_rate, measures


def test_every_kind_is_measured_against_the_rest() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(5, size=200).astype(np.int8)
    scores = rng.normal(size=200)
    found = measures(noise, scores)
    kinds = {"half_face": 1, "none_face": 2, "flipped": 3, "doubted": 4}
    for name, noisy in {"any_noise": noise > 0, **{name: noise == kind for name, kind in kinds.items()}}.items():
        assert found.pop(f"auroc_{name}") == roc_auc_score(noisy, -scores)
        assert found.pop(f"average_precision_{name}") == average_precision_score(noisy, -scores)
        flagged = np.argsort(np.argsort(scores)) < noisy.sum()
        assert found.pop(f"f1_{name}") == pytest.approx(f1_score(noisy, flagged))
    assert not found


def test_what_is_not_there_is_not_measured() -> None:
    scores = np.arange(3.0)
    assert measures(np.zeros(3, np.int8), scores) == {}
    assert measures(np.full(3, 3, np.int8), scores) == {}
    one_kind = measures(np.array([3, 0, 0], np.int8), scores)
    assert set(one_kind) == {f"{m}_{k}" for m in ("auroc", "average_precision", "f1") for k in ("any_noise", "flipped")}
    assert set(one_kind.values()) == {1.0}


def test_equals_are_drawn_among() -> None:
    """The mean over every order in which equals may be drawn."""
    noisy, scores = np.array([True, False, True, False, False, True]), np.array([0, 0, 1, 1, 1, 2])
    orders = [
        [*first, *second, 5] for first in itertools.permutations([0, 1]) for second in itertools.permutations([2, 3, 4])
    ]
    expected = np.mean([noisy[order[:3]].mean() for order in orders])
    assert f1_at_the_true_rate(noisy, scores) == pytest.approx(expected)
    assert f1_at_the_true_rate(noisy, np.zeros(6)) == pytest.approx(0.5)  # a score that says nothing: the rate
