"""The observations of RegTune-v0: the parts that `observe` names, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from fer_gym.checks import check_choice
from fer_gym.envs.reg_tune.rewards import Chunk
from fer_gym.errors import UsageError
from fer_gym.training import Strengths

PARTS = ("losses", "train_f1", "val_f1", "strengths", "progress")


class Observation:
    """What an observation is made of.

    Args:
        observe: names among `PARTS`, in the order in which an observation has them.
        chunk_size: N, the losses of a chunk.
        strengths: the regularisers that the agent sets, with their bounds.
        chunks: of an episode.
        worst_loss: to which losses are clipped.

    Attributes:
        space: of the observations.

    Raises:
        ValueError: if a name is unknown or doubled, or there is none.
    """

    def __init__(
        self, observe: Sequence[str], chunk_size: int, strengths: Strengths, chunks: int, worst_loss: float
    ) -> None:
        if isinstance(observe, str) or not isinstance(observe, Sequence) or not observe:
            raise UsageError(f"observe: {observe!r} is not allowed; use a tuple of some of {', '.join(PARTS)}")
        for name in observe:
            check_choice("observe", name, PARTS)
        if len(set(observe)) < len(observe):
            raise UsageError(f"observe: {tuple(observe)!r} names a part twice; name each once")
        self._observe = tuple(observe)
        self._chunks = chunks
        self._worst_loss = worst_loss
        bounds = {
            "losses": (np.zeros(chunk_size), np.full(chunk_size, worst_loss)),
            "train_f1": (np.zeros(1), np.ones(1)),
            "val_f1": (np.zeros(1), np.ones(1)),
            "strengths": (strengths.low, strengths.high),
            "progress": (np.zeros(1), np.ones(1)),
        }
        low, high = (np.concatenate([bounds[name][side] for name in self._observe]) for side in (0, 1))
        self.space = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        # Before the first chunk losses and F1 are zero, and each strength is at its lower bound.
        self._before = {name: part_low.astype(np.float32) for name, (part_low, _) in bounds.items()}

    def before(self) -> NDArray[np.float32]:
        """What is observed before there is a chunk: float32, of the space's shape."""
        return np.concatenate([self._before[name] for name in self._observe])

    def after(self, chunk: Chunk) -> NDArray[np.float32]:
        """What is observed after a chunk: float32, of the space's shape, and finite even if the chunk diverged."""
        parts = {
            "losses": self.clipped(chunk.train_losses),
            "train_f1": [chunk.train_f1],
            "val_f1": [chunk.val_f1],
            "strengths": list(chunk.hyperparameters.values()),
            "progress": [chunk.number / self._chunks],
        }
        return np.concatenate([np.asarray(parts[name], np.float32) for name in self._observe])

    def clipped(self, losses: NDArray[np.float32]) -> NDArray[np.float32]:
        """Losses, (N,), clipped to [0, the worst loss], at which those that are not finite are put as well."""
        worst = float(np.float32(self._worst_loss))
        finite = np.nan_to_num(losses, nan=worst, posinf=worst)
        clipped: NDArray[np.float32] = np.clip(finite, 0.0, worst)
        return clipped
