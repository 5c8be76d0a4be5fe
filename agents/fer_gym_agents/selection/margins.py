"""The area under the margin: how early and how clearly a network agrees with a label while it learns."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.checks import check_count
from fer_gym.errors import UsageError
from fer_gym_agents.selection.own_networks import CountedTrainer
from fer_gym_agents.selection.scored import ScoredSelection


def margins(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """z_y - max_{e != y} z_e of logits z, from their softmax: log p(y) - max_{e != y} log p(e).

    Args:
        probabilities: (N, C), C at least 2.
        labels: int64, (N,).

    Returns:
        float64, (N,). A probability that underflowed counts as the smallest number of float32.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    given = np.take_along_axis(logs, labels[:, None], axis=1)[:, 0]
    np.put_along_axis(logs, labels[:, None], -np.inf, axis=1)
    margin: NDArray[np.float64] = given - logs.max(axis=1)
    return margin


class AreaUnderMargin(ScoredSelection):
    """Retains the images with the largest area under the margin (AUM, Pleiss et al. 2020).

    A network of its own trains on every image for T epochs. The score is the mean of the margin after each,

        AUM_i = 1/T sum_t (z_{t, y_i}(x_i) - max_{e != y_i} z_{t, e}(x_i)),

    with logits z. They are taken in evaluation mode after the epoch, where the paper takes those of the training's own
    forward passes. The paper's threshold, which it finds by training again with images of a made-up class, is left
    out: `keep_ratio` says how many stay.

    Args:
        env: ImageSelect-v0.
        seed: of the network and of ties.
        keep_ratio: see `ScoredSelection`.
        epochs: T.

    Raises:
        ValueError: as `ScoredSelection`, or if `epochs` is not allowed or there is only one class.
    """

    def __init__(
        self, env: gym.Env[Any, Any], seed: int | None = None, keep_ratio: float | str = 0.8, epochs: int = 10
    ) -> None:
        super().__init__(env, seed, keep_ratio, epochs=epochs)
        check_count("epochs", epochs, least=1)
        if len(self.base.splits.classes) < 2:
            raise UsageError("env: its images are of one class; a margin needs two")
        self.epochs = epochs

    def score(self) -> NDArray[np.floating]:
        """The area under each image's margin, (N,)."""
        trainer = CountedTrainer(self.base)
        trainer.initialise(int(self._rng.integers(2**32)))
        labels = self.base.splits.train.labels
        area = np.zeros(len(labels))
        for _ in range(self.epochs):
            trainer.train_epochs(trainer.all_images(), 1)
            area += margins(trainer.outputs("train").probabilities, labels)
        self.training_cost = trainer.cost
        return area / self.epochs
