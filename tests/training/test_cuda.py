"""What only a GPU can show: recorded steps and children side by side train what the plain ones train."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from fer_gym.data import load
from fer_gym.training import Strengths, Trainer, TrainerSettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

_EVERYTHING: dict[Any, tuple[float, float]] = {
    "dropout": (0.0, 0.8),
    "input_noise": (0.0, 0.3),
    "feature_noise": (0.0, 0.5),
    "weight_decay": (0.0, 0.3),
    "label_smoothing": (0.0, 0.5),
    "mixup": (0.0, 1.0),
}


def _trainer(network: str, monkeypatch: pytest.MonkeyPatch, *, graphs: bool) -> Trainer:
    monkeypatch.setenv("FER_GYM_CUDA_GRAPHS", str(int(graphs)))
    trainer = Trainer(load("synthetic"), TrainerSettings(network, 64, device="cuda"), Strengths(_EVERYTHING))
    trainer.initialise(3)
    return trainer


@pytest.mark.parametrize("network", ["small", "rlps_cnn", "resnet34"])
@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_a_recorded_step_trains_what_the_plain_one_trains(
    network: str, strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for graphs in (True, False):
        trainer = _trainer(network, monkeypatch, graphs=graphs)
        trainer.set_strengths(np.full(len(_EVERYTHING), strength * 0.4, np.float32))
        losses.append(trainer.read(trainer.train_batches(12))[0].losses)
    # Draws are the same; the order of sums on a GPU is not.
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05, atol=0.02)


def test_a_recorded_step_reads_strengths_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = _trainer("small", monkeypatch, graphs=True)
    trainer.read(trainer.train_batches(60))
    state = trainer.state_dict()
    losses = []
    for dropout in (0.0, 0.8, 0.0):
        trainer.load_state_dict(state)
        trainer.set_strengths(np.array([dropout, 0, 0, 0, 0, 0], np.float32))
        losses.append(trainer.read(trainer.train_batches(10))[0].losses)
    assert losses[1].mean() > 1.1 * losses[0].mean()
    np.testing.assert_allclose(losses[0], losses[2], rtol=0.05, atol=0.02)


@pytest.mark.parametrize("graphs", ["0", "1"])
def test_children_side_by_side_are_the_scalar_environments(graphs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_GYM_CUDA_GRAPHS", graphs)
    keywords: dict[str, Any] = {"device": "cuda", "chunk_size": 5, "val_batches": 3, "chunks": 4}
    together = gym.make_vec("fer_gym:RegTune-v0", num_envs=3, **keywords)
    alone = [gym.make("fer_gym:RegTune-v0", **keywords) for _ in range(3)]
    observations, _ = together.reset(seed=5)
    for k, env in enumerate(alone):
        np.testing.assert_allclose(observations[k], env.reset(seed=5 + k)[0], rtol=0.05, atol=0.02)
    for strength in (0.1, 0.6, 0.3):
        actions = np.full((3, 1), strength, np.float32)
        observations, _, _, _, _ = together.step(actions)
        for k, env in enumerate(alone):
            np.testing.assert_allclose(observations[k], env.step(actions[k])[0], rtol=0.05, atol=0.05)
