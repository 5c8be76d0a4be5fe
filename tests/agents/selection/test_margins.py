"""The area under the margin."""

import numpy as np
import pytest
from tiny_walks import base_of, forbid_the_test_split, walk

from fer_gym.training import Trainer
from fer_gym_agents import AreaUnderMargin
from fer_gym_agents.selection.margins import margins


def test_margins_are_those_of_the_logits() -> None:
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0], [0.0, 0.0, 0.0]])
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert margins(softmax, np.array([0, 2, 1])) == pytest.approx([1.5, -2.0, 0.0])
    # An underflow leaves a finite margin.
    assert margins(np.array([[1.0, 0.0]], np.float32), np.array([1])) == pytest.approx(
        np.log(np.finfo(np.float32).tiny)
    )


def test_aum_is_the_mean_over_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[np.ndarray] = []
    outputs = Trainer.outputs

    def watched(self: Trainer, split: str):
        result = outputs(self, split)
        recorded.append(result.probabilities)
        return result

    forbid_the_test_split(monkeypatch)
    monkeypatch.setattr(Trainer, "outputs", watched)
    env = walk()
    agent = AreaUnderMargin(env, seed=0, epochs=3).learn(0)
    assert len(recorded) == 3  # the environment's own network was not even begun
    expected = np.zeros(24)
    for i, label in enumerate(base_of(env).splits.train.labels):
        for p in recorded:
            expected[i] += (np.log(p[i, label]) - np.log(np.delete(p[i], label).max())) / 3
    assert agent.image_scores == pytest.approx(expected, abs=1e-4)
    assert agent.training_cost == {"images_trained": 72, "gradient_steps": 9, "images_evaluated": 72}


def test_a_seed_decides() -> None:
    one, same, other = (AreaUnderMargin(walk(), seed=seed, epochs=1).learn(0).image_scores for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_what_is_not_allowed() -> None:
    with pytest.raises(ValueError, match=r"^epochs: 0 is not allowed"):
        AreaUnderMargin(walk(), epochs=0)
