"""Both environments in both forms, so small that a step takes milliseconds."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import tiny_data
from torch import nn

import fer_gym  # noqa: F401  (registers)

Make = Callable[..., Any]


def tiny(channels: int, classes: int, image_size: int) -> nn.Module:
    size = channels * image_size**2
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, classes)
    )


SPLITS = tiny_data.splits(9, held_out=6, side=8)
SMALL: dict[str, dict[str, Any]] = {
    "ImageSelect-v0": {"batch_size": 4, "pretrain_epochs": 1, "carry_over": False, "observe_label": True},
    "RegTune-v0": {
        "batch_size": 4,
        "chunk_size": 2,
        "val_batches": 2,
        "chunks": 4,
        "optimizer": "sgd",
        "regularizers": {"dropout": (0.0, 0.8), "mixup": (0.0, 1.0)},
        "instances": ({"noise": ("symmetric", 0.3)}, {"learning_rate": 0.01}),
    },
}


def scalar(name: str, **keywords: Any) -> Any:
    return gym.make(
        name, **{"dataset": SPLITS, "precision": "fp32", "network": tiny, **SMALL[name], **keywords}
    ).unwrapped


def vector(name: str, **keywords: Any) -> Any:
    return gym.make_vec(
        name, num_envs=2, **{"dataset": SPLITS, "precision": "fp32", "network": tiny, **SMALL[name], **keywords}
    )
