"""ImageSelect-v0 on data so small that a test may train on it."""

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import tiny_data

from fer_gym.data import Splits
from fer_gym.envs import ImageSelectEnv
from fer_gym.training import Trainer

EASY = {"pretrain_epochs": 2, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32"}


def noisy_splits(train: int = 24, side: int = 16) -> Splits:
    """Every fourth training image a none face, every fourth a half face."""
    clean = tiny_data.splits(train, side=side)
    noise = np.resize(np.array([0, 1, 0, 2], np.int8), train)
    return dataclasses.replace(clean, train=dataclasses.replace(clean.train, noise=noise))


def walk(dataset: Splits | None = None, **keywords: Any) -> gym.Env[Any, Any]:
    return gym.make("ImageSelect-v0", dataset=dataset or noisy_splits(), **{**EASY, **keywords})


def base_of(env: gym.Env[Any, Any]) -> ImageSelectEnv:
    base = env.unwrapped
    assert isinstance(base, ImageSelectEnv)
    return base


def selection_of(agent: Any, env: gym.Env[Any, Any]) -> np.ndarray:
    """What the agent retains in a frozen episode, by image."""
    observation, _ = env.reset(options={"freeze": True})
    over = False
    while not over:
        observation, _, over, _, info = env.step(agent.predict(observation)[0])
    retained = np.zeros(len(info["retained"]), bool)
    retained[info["sample_index"]] = info["retained"]
    return retained


def forbid_the_test_split(monkeypatch: Any) -> None:
    """Whoever looks at a test image from here on fails."""
    outputs, confusion, score = Trainer.outputs, Trainer.confusion, Trainer._score

    def guarded(method: Any) -> Any:
        def call(self: Trainer, *args: Any) -> Any:
            assert not any(isinstance(arg, str) and arg == "test" for arg in args), "the test split was read"
            return method(self, *args)

        return call

    for name, method in (("outputs", outputs), ("confusion", confusion), ("_score", score)):
        monkeypatch.setattr(Trainer, name, guarded(method))
