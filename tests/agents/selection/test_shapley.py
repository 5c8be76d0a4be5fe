"""KNN-Shapley against the definition of the Shapley value."""

import builtins
import itertools
import math
from typing import Any

import numpy as np
import pytest
from tiny_walks import base_of, forbid_the_test_split, walk

from fer_gym.training import Trainer
from fer_gym_agents import KnnShapley
from fer_gym_agents.selection.shapley import knn_shapley


def _utility(subset: tuple[int, ...], x: np.ndarray, y: np.ndarray, v: np.ndarray, label: int, k: int) -> float:
    nearest = sorted(subset, key=lambda i: np.linalg.norm(x[i] - v))[:k]
    return sum(y[i] == label for i in nearest) / k


def _by_definition(x: np.ndarray, y: np.ndarray, vs: np.ndarray, vy: np.ndarray, k: int) -> np.ndarray:
    n = len(x)
    values = np.zeros(n)
    for v, label in zip(vs, vy, strict=True):
        for i in range(n):
            others = [j for j in range(n) if j != i]
            for size in range(n):
                for subset in itertools.combinations(others, size):
                    gain = _utility((*subset, i), x, y, v, label, k) - _utility(subset, x, y, v, label, k)
                    values[i] += gain / (n * math.comb(n - 1, size)) / len(vs)
    return values


@pytest.mark.parametrize("neighbors", [1, 2, 3, 6, 8])
def test_the_recursion_gives_the_shapley_value(neighbors: int) -> None:
    rng = np.random.default_rng(neighbors)
    x, vs = rng.normal(size=(6, 3)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    y, vy = np.array([0, 1, 0, 2, 1, 0]), np.array([0, 1, 2, 0])
    values = knn_shapley(x, y, vs, vy, neighbors)
    assert values == pytest.approx(_by_definition(x, y, vs, vy, neighbors))


def test_in_pieces_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, vs = rng.normal(size=(20, 3)), rng.normal(size=(7, 3))
    y, vy = rng.integers(3, size=20), rng.integers(3, size=7)
    whole = knn_shapley(x, y, vs, vy, 5)
    monkeypatch.setattr("fer_gym_agents.selection.shapley._CHUNK", 3)
    assert knn_shapley(x, y, vs, vy, 5) == pytest.approx(whole)


def test_the_agent_values_features_for_the_validation_split(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_the_test_split(monkeypatch)
    env = walk()
    agent = KnnShapley(env, seed=0, neighbors=3, epochs=2).learn(0)
    splits = base_of(env).splits
    trainer = Trainer(splits, base_of(env).settings)
    trainer.initialise(int(np.random.default_rng(0).integers(2**32)))
    trainer.train_epochs(trainer.all_images(), 2)
    features = trainer.outputs("train").features, trainer.outputs("val").features
    expected = knn_shapley(features[0], splits.train.labels, features[1], splits.val.labels, 3)
    assert agent.image_scores == pytest.approx(expected)
    assert agent.training_cost == {"images_trained": 48, "gradient_steps": 6, "images_evaluated": 24 + 12}
    again = KnnShapley(walk(), seed=0, neighbors=3, epochs=2).learn(0)
    assert np.array_equal(again.image_scores, agent.image_scores)
    # Shapley values sum to the utility of everything: the share of right ones among the nearest.
    assert 0.0 <= agent.image_scores.sum() <= 1.0


def test_what_is_not_allowed() -> None:
    with pytest.raises(ValueError, match=r"^neighbors: 0 is not allowed"):
        KnnShapley(walk(), neighbors=0)
    with pytest.raises(ValueError, match=r"^epochs: 0 is not allowed"):
        KnnShapley(walk(), epochs=0)


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return import_(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    ones = np.ones((2, 1))
    with pytest.raises(ImportError, match=r"pip install 'fer-gym\[benchmark\]'"):
        knn_shapley(ones, np.zeros(2, int), ones, np.zeros(2, int), 1)
