"""The rewards of RegTune-v0: the table in `RegTuneEnv`'s docstring, as code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from fer_gym.description import description, in_words
from fer_gym.errors import UsageError

REWARDS = ("gap", "val_f1", "val_f1_change", "neg_val_loss")


@dataclass(frozen=True)
class Chunk:
    """One trained and scored chunk, from which its reward is computed.

    Attributes:
        number: 1 is the first step's; 0 the warm-up's.
        hyperparameters: strength by regulariser, as applied.
        train_losses: float32, (N,): of each mini-batch, in the training forward pass, before any penalty.
        train_f1: mean of the mini-batches' macro F1, in the training forward passes or, with `train_f1="eval"`, when
            the same batches were scored again.
        val_loss: mean over the validation mini-batches.
        val_f1: mean of the validation mini-batches' macro F1; with `val_batches="all"`, that of the whole split.
        previous_val_f1: `val_f1` of the chunk before, which may be the warm-up's; 0 if there is none.
    """

    number: int
    hyperparameters: Mapping[str, float]
    train_losses: NDArray[np.float32]
    train_f1: float
    val_loss: float
    val_f1: float
    previous_val_f1: float

    @property
    def diverged(self) -> bool:
        """Whether a loss is not finite."""
        return not (np.isfinite(self.train_losses).all() and math.isfinite(self.val_loss))


#: A reward of one's own. Its attribute `worst`, -1 without one, is the reward of a diverged run for each step left.
RewardFunction = Callable[[Chunk], float]


def reward_of(chunk: Chunk, reward: str | RewardFunction, steps_left: int, worst_loss: float) -> float:
    """The reward of the step that trained `chunk`.

    Args:
        chunk: what was trained; it may have diverged.
        reward: one of `REWARDS`, or a function of the chunk.
        steps_left: of the episode, this one included.
        worst_loss: the bound of the observation, to which losses are clipped.

    Raises:
        ValueError: if a function of the user's does not return a finite number.
    """
    if chunk.diverged:
        diverged = {
            "gap": -1.0 * steps_left,
            "val_f1": 0.0,
            "val_f1_change": -chunk.previous_val_f1,
            "neg_val_loss": -worst_loss * steps_left,
        }
        return diverged[reward] if isinstance(reward, str) else float(getattr(reward, "worst", -1.0)) * steps_left
    if not isinstance(reward, str):
        value = reward(chunk)
        try:
            number = float(value) if isinstance(value, SupportsFloat) else math.nan
        except (TypeError, ValueError, OverflowError):  # of an array, or a whole number beyond all floats
            number = math.nan
        if not math.isfinite(number):
            wanted = f"{in_words(description(reward))} must return a finite number"
            raise UsageError(f"reward: the function returned {value!r:.80}; {wanted}")
        return number
    return {
        "gap": chunk.val_f1 - chunk.train_f1,
        "val_f1": chunk.val_f1,
        "val_f1_change": chunk.val_f1 - chunk.previous_val_f1,
        "neg_val_loss": -min(chunk.val_loss, worst_loss),
    }[reward]
