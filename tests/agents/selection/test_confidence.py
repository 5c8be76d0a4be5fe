"""Selections by class probabilities."""

import builtins
from typing import Any

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from tiny_walks import EASY, base_of, forbid_the_test_split, noisy_splits, walk

from fer_gym.training import Trainer, TrainerSettings
from fer_gym_agents import Cleanlab, Entropy, SelfConfidence
from fer_gym_agents.selection.confidence import out_of_fold
from fer_gym_agents.selection.own_networks import CountedTrainer

LABELS = np.array([0, 1, 2])
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8]])


def test_each_image_is_judged_by_a_network_that_did_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    train_epochs = Trainer.train_epochs

    def watched(self: Trainer, subset: np.ndarray, epochs: int) -> None:
        seen.append(subset)
        train_epochs(self, subset, epochs)

    monkeypatch.setattr(Trainer, "train_epochs", watched)
    forbid_the_test_split(monkeypatch)
    trainer = CountedTrainer(base_of(walk()))
    probabilities = out_of_fold(trainer, 4, 2, np.random.default_rng(0))
    held_out = [np.setdiff1d(np.arange(24), subset) for subset in seen]
    assert sorted(np.concatenate(held_out)) == list(range(24))
    for images in held_out:
        assert np.bincount(base_of(walk()).splits.train.labels[images]).tolist() == [2, 2, 2]
    # The last network is still there, and judged the last part.
    last = trainer.outputs("train").probabilities
    assert np.array_equal(probabilities[held_out[-1]], last[held_out[-1]])
    assert not np.allclose(probabilities[held_out[0]], last[held_out[0]])
    assert trainer.cost == {"images_trained": 4 * 2 * 18, "gradient_steps": 4 * 2 * 3, "images_evaluated": 5 * 24}


def test_scores_by_hand() -> None:
    env = walk()
    assert SelfConfidence(env)._rate(LABELS, PROBABILITIES).tolist() == [0.5, 0.0, 0.8]
    entropy = 0.5 * np.log(0.5) + 2 * 0.25 * np.log(0.25)
    assert Entropy(env)._rate(LABELS, PROBABILITIES)[:2] == pytest.approx([entropy, 0.0])


def test_in_sample_it_is_the_pretrained_network_that_judges() -> None:
    env = walk()
    agent = SelfConfidence(env, seed=5, folds=0).learn(0)
    other = walk()
    other.reset(seed=5)
    p = base_of(other).outputs.probabilities
    assert agent.image_scores == pytest.approx(p[np.arange(24), base_of(other).splits.train.labels])
    assert agent.training_cost["images_trained"] == 0


@pytest.mark.parametrize("kind", [SelfConfidence, Entropy, Cleanlab])
def test_a_seed_decides(kind: Any) -> None:
    one, same, other = (kind(walk(), seed=seed, folds=2, epochs=1).learn(0).image_scores for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_cleanlab_is_the_librarys() -> None:
    env = walk()
    agent = Cleanlab(env, seed=0, folds=3, epochs=1).learn(0)
    trainer = Trainer(noisy_splits(), TrainerSettings(**{k: v for k, v in EASY.items() if k != "pretrain_epochs"}))
    p = out_of_fold(CountedTrainer(base_of(env)), 3, 1, np.random.default_rng(0)).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    labels = trainer.splits.train.labels
    flagged = find_label_issues(labels, p, n_jobs=1)
    assert 0 < flagged.sum() < len(flagged)
    assert agent.image_scores == pytest.approx(get_label_quality_scores(labels, p) - flagged)
    assert np.array_equal(agent.retained, ~flagged)
    ranked = find_label_issues(labels, p, n_jobs=1, return_indices_ranked_by="self_confidence")
    assert np.array_equal(agent.image_scores.argsort()[: len(ranked)], ranked)
    assert agent.training_cost["images_trained"] == 3 * 1 * 16
    told = Cleanlab(env, seed=0, keep_ratio=0.25, folds=3, epochs=1).learn(0)
    assert np.array_equal(told.retained, np.argsort(np.argsort(-told.image_scores)) < 6)


def test_cleanlab_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("cleanlab"):
            raise ImportError(name)
        return import_(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'fer-gym\[benchmark\]'"):
        Cleanlab(walk())


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"folds": 1}, "^folds: 1 is not allowed; use 2 to 24"),
        ({"folds": 25}, "^folds: 25 is not allowed; use 2 to 24"),
        ({"folds": -1}, "^folds: -1 is not allowed"),
        ({"epochs": 0}, "^epochs: 0 is not allowed"),
    ],
)
def test_what_is_not_allowed(keywords: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelfConfidence(walk(), **keywords)


def test_confident_learning_needs_folds() -> None:
    with pytest.raises(ValueError, match=r"^folds: 0 is not allowed"):
        Cleanlab(walk(), folds=0)
