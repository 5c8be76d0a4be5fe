"""The environments that every client makes: an episode takes a second or two."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym

import fer_gym  # noqa: F401 (registers the environments)

#: An episode is a walk of 40 images.
IMAGE_SELECT: dict[str, Any] = {"limit": 40, "pretrain_epochs": 1, "precision": "fp32"}
#: An episode is three chunks of two mini-batches.
REG_TUNE: dict[str, Any] = {"limit": 60, "chunk_size": 2, "val_batches": 1, "chunks": 3, "precision": "fp32"}

IMAGES, CHUNKS = 40, 3


def before_and_after_training() -> Iterator[None]:
    """Twice: in a process that has trained nothing, and in one whose PyTorch has its threads."""
    yield
    env = gym.make("RegTune-v0", **REG_TUNE)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    yield
