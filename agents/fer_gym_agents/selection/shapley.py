"""KNN-Shapley: the value of each training image in a nearest-neighbour classifier of the validation split."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.checks import check_count
from fer_gym_agents.selection.own_networks import CountedTrainer
from fer_gym_agents.selection.scored import ScoredSelection

# Validation images ranked at a time: a row of N distances each.
_CHUNK = 256


def knn_shapley(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    val_features: NDArray[np.floating],
    val_labels: NDArray[np.int64],
    neighbors: int,
) -> NDArray[np.float64]:
    """The Shapley values of N images in an unweighted nearest-neighbour classifier, exact (Jia et al. 2019).

    With K neighbours, the utility of a set of images for a validation image v is how many of the set's K nearest to v
    (of all, where it has fewer) have v's label, over K. For images 1 ... N from near to far and m_i = 1 where image i
    has v's label,

        s_i = s_{i+1} + (m_i - m_{i+1}) / K * min(K, i) / i,    s_{N+1} = m_{N+1} = 0,

    and an image's value is the mean of s over the validation images.

    Args:
        features: (N, D), of the training images.
        labels: int64, (N,).
        val_features: (V, D), of the validation images.
        val_labels: int64, (V,).
        neighbors: K.

    Returns:
        float64, (N,).

    Raises:
        ImportError: if scikit-learn is not installed.
    """
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError as error:
        raise ImportError("knn_shapley needs scikit-learn: pip install 'fer-gym[benchmark]'") from error
    count = len(features)
    index = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(features)
    rank = np.arange(1, count + 1)
    weight = np.minimum(neighbors, rank) / (neighbors * rank)
    values = np.zeros(count)
    for start in range(0, len(val_features), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        near_to_far = index.kneighbors(val_features[chunk], return_distance=False)
        matches = (labels[near_to_far] == val_labels[chunk, None]).astype(np.float64)
        steps = weight * (matches - np.pad(matches[:, 1:], ((0, 0), (0, 1))))
        shapley = steps[:, ::-1].cumsum(axis=1)[:, ::-1]
        np.add.at(values, near_to_far, shapley)
    return values / len(val_features)


class KnnShapley(ScoredSelection):
    """Retains the images with the highest KNN-Shapley value for the validation split.

    The neighbours are those in the features of a network of its own, trained on every image.

    Args:
        env: ImageSelect-v0.
        seed: of the network and of ties.
        keep_ratio: see `ScoredSelection`.
        neighbors: K.
        epochs: that the network is trained.

    Raises:
        ImportError: from `learn`, if scikit-learn is not installed.
        ValueError: as `ScoredSelection`, or if `neighbors` or `epochs` is not allowed.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        keep_ratio: float | str = 0.8,
        neighbors: int = 10,
        epochs: int = 5,
    ) -> None:
        super().__init__(env, seed, keep_ratio, neighbors=neighbors, epochs=epochs)
        check_count("neighbors", neighbors, least=1)
        check_count("epochs", epochs, least=1)
        self.neighbors = neighbors
        self.epochs = epochs

    def score(self) -> NDArray[np.floating]:
        """The KNN-Shapley value of each image, (N,)."""
        trainer = CountedTrainer(self.base)
        trainer.initialise(int(self._rng.integers(2**32)))
        trainer.train_epochs(trainer.all_images(), self.epochs)
        train, val = self.base.splits.train, self.base.splits.val
        features, val_features = trainer.outputs("train").features, trainer.outputs("val").features
        self.training_cost = trainer.cost
        return knn_shapley(features, train.labels, val_features, val.labels, self.neighbors)
