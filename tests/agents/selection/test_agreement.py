"""The authors' released procedure, without its leaks."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_walks import base_of, forbid_the_test_split, noisy_splits, walk
from toy_walk import ToyWalk

from fer_gym.data import Splits
from fer_gym.training import Outputs
from fer_gym_agents import Agreement

QUICK = {"learning_rate": 0.003, "n_epochs": 3, "batch_size": 8, "hidden": (16,)}


def _agent(env: Any, seed: int | None = 0, **settings: Any) -> Agreement:
    return Agreement(env, seed=seed, **{**QUICK, **settings})


def test_it_learns_where_the_network_agrees() -> None:
    env = walk()
    env.reset(seed=0)
    base = base_of(env)
    rng = np.random.default_rng(0)
    labels = base.splits.train.labels
    # The first number of a feature tells whether the prediction is the label.
    agrees = np.arange(24) % 3 != 0
    features = rng.normal(0, 0.1, base.outputs.features.shape).astype(np.float32)
    features[:, 0] = np.where(agrees, 3.0, -3.0)
    base.run._outputs = Outputs(features, np.eye(3, dtype=np.float32)[np.where(agrees, labels, (labels + 1) % 3)])
    agent = _agent(env, n_epochs=60)
    agent._fit()
    assert np.array_equal(agent.keep_probability(features) > 0.9, agrees)
    assert np.array_equal(agent.keep_probability(features) < 0.1, ~agrees)


def test_what_it_retains_is_what_the_threshold_says(monkeypatch: pytest.MonkeyPatch) -> None:
    env = walk()
    agent = _agent(env)
    fits: list[np.ndarray] = []
    fit = Agreement._fit

    def watched(self: Agreement) -> None:
        fit(self)
        fits.append(self.keep_probability(base_of(env).outputs.features) > self.threshold)

    monkeypatch.setattr(Agreement, "_fit", watched)
    infos: list[dict[str, Any]] = []
    step = env.step

    def stepping(action: Any) -> Any:
        result = step(action)
        if result[2]:
            infos.append(result[4])
        return result

    monkeypatch.setattr(env, "step", stepping)
    agent.learn(2 * 24 + 5)
    assert len(infos) == 2  # whole episodes
    assert len(fits) == 3  # one more for the network as it is in the end
    for info, retained in zip(infos, fits[:-1], strict=True):
        assert np.array_equal(info["retained"], retained[info["sample_index"]])


def test_the_running_mean_is_not_looked_at() -> None:
    env = walk(observe_label=True)
    agent = _agent(env).learn(24)
    observation, _ = env.reset()
    other = observation.copy()
    other[agent._width :] = 7
    both = np.stack([observation, other])
    assert np.ptp(agent.keep_probability(both)) == 0
    actions, state = agent.predict(both)
    assert (actions.shape, actions.dtype, state) == ((2,), np.int64, None)
    assert agent.predict(observation)[0].shape == ()


def test_neither_test_images_nor_the_truth_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _agent(walk()).learn(48).keep_probability(np.eye(128, dtype=np.float32))
    forbid_the_test_split(monkeypatch)
    splits = noisy_splits()
    train = dataclasses.replace(splits.train, noise=None, clean_labels=None)
    blinded = Splits(train, splits.val, splits.val, splits.classes)
    assert np.array_equal(_agent(walk(blinded)).learn(48).keep_probability(np.eye(128, dtype=np.float32)), seen)


def test_a_seed_decides_and_nobody_elses_generator_moves() -> None:
    before = torch.get_rng_state()
    probe = np.eye(128, dtype=np.float32)
    one, same, other = (_agent(walk(), seed).learn(24).keep_probability(probe) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_saving(tmp_path: Path) -> None:
    env = walk()
    agent = _agent(env, threshold=0.3).learn(24)
    agent.save(tmp_path / "agent.pt")
    loaded = Agreement.load(tmp_path / "agent.pt", env)
    assert loaded.threshold == 0.3
    probe = np.eye(128, dtype=np.float32)
    assert np.array_equal(loaded.keep_probability(probe), agent.keep_probability(probe))


@pytest.mark.parametrize(
    "keywords", [{"threshold": 0.0}, {"threshold": 1.0}, {"learning_rate": 0.0}, {"n_epochs": 0}, {"batch_size": 0}]
)
def test_what_is_not_allowed(keywords: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(keywords))}: .* is not allowed"):
        _agent(walk(), **copy.deepcopy(keywords))


def test_where_it_cannot_learn() -> None:
    with pytest.raises(ValueError, match=r"^env: ToyWalk is no ImageSelect-v0"):
        _agent(ToyWalk())
    with pytest.raises(ValueError, match=r"^total_timesteps: 23 is less than an episode of 24 images"):
        _agent(walk()).learn(23)
