"""Networks that a baseline trains beside the environment's, and their cost: it is part of the baseline's budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_gym.envs import ImageSelectEnv
from fer_gym.training import Outputs, Trainer


def no_cost() -> dict[str, int]:
    """The keys of a training cost, at zero."""
    return {"images_trained": 0, "gradient_steps": 0, "images_evaluated": 0}


class CountedTrainer(Trainer):
    """A `Trainer` on the images of an environment, with its settings, that counts what it spends.

    Args:
        base: the environment; its own network is left alone.

    Attributes:
        cost: `images_trained`, each image once an epoch; `gradient_steps`; `images_evaluated`.
    """

    def __init__(self, base: ImageSelectEnv) -> None:
        super().__init__(base.splits, base.settings)
        self.cost = no_cost()

    def train_epochs(self, subset: NDArray[np.int64], epochs: int) -> None:
        """As `Trainer.train_epochs`."""
        super().train_epochs(subset, epochs)
        self.cost["images_trained"] += epochs * len(subset)
        self.cost["gradient_steps"] += epochs * -(-len(subset) // self.settings.batch_size)

    def outputs(self, split: str) -> Outputs:
        """As `Trainer.outputs`."""
        self.cost["images_evaluated"] += len(getattr(self.splits, split))
        return super().outputs(split)
