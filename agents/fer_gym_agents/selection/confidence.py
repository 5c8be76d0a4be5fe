"""Selections by a classifier's probabilities of each image, out of fold: the usual way to find wrong labels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym.checks import check_count
from fer_gym.errors import UsageError
from fer_gym_agents.selection.own_networks import CountedTrainer
from fer_gym_agents.selection.scored import ScoredSelection


def out_of_fold(trainer: CountedTrainer, folds: int, epochs: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """p(e|x_i) of every training image, by a network that has not been trained on it.

    Args:
        trainer: the network; it begins anew for each fold, and stays as the last fold leaves it.
        folds: K, into how many parts the training images are dealt, by a draw that is stratified by class.
        epochs: on the other K - 1 parts.
        rng: draws the folds and the networks' seeds.

    Returns:
        float32, (N, C).
    """
    labels = trainer.splits.train.labels
    by_class = np.lexsort((rng.random(len(labels)), labels))
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[by_class] = np.arange(len(labels)) % folds
    probabilities = np.empty((len(labels), len(trainer.splits.classes)), dtype=np.float32)
    for fold in range(folds):
        held_out = fold_of == fold
        trainer.initialise(int(rng.integers(2**32)))
        trainer.train_epochs(np.flatnonzero(~held_out), epochs)
        probabilities[held_out] = trainer.outputs("train").probabilities[held_out]
    return probabilities


class _ByProbability(ScoredSelection):
    """Selections by class probabilities.

    Args:
        env: ImageSelect-v0.
        seed: of folds, networks and ties.
        keep_ratio: see `ScoredSelection`.
        folds: K networks, each judging the K-th part that it was not trained on. 0: the environment's network, as
            pretrained, judges the images that it was trained on; it costs nothing.
        epochs: that each of the K is trained.

    Raises:
        ValueError: as `ScoredSelection`, or if `folds` or `epochs` is not allowed.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        keep_ratio: float | str = 0.8,
        folds: int = 5,
        epochs: int = 5,
    ) -> None:
        super().__init__(env, seed, keep_ratio, folds=folds, epochs=epochs)
        images = self.base.num_images
        check_count("folds", folds, least=0)
        if not (folds == 0 or 2 <= folds <= images):
            raise UsageError(
                f"folds: {folds!r} is not allowed; use 2 to {images:,}, the training images, or 0 for none"
            )
        check_count("epochs", epochs, least=1)
        self.folds = folds
        self.epochs = epochs

    def score(self) -> NDArray[np.floating]:
        """The scores of the images by their class probabilities, (N,)."""
        labels = self.base.splits.train.labels
        if self.folds:
            trainer = CountedTrainer(self.base)
            probabilities = out_of_fold(trainer, self.folds, self.epochs, self._rng)
            self.training_cost = trainer.cost
        else:
            self.env.reset(seed=self.seed)
            probabilities = self.base.outputs.probabilities
        return self._rate(labels, probabilities.astype(np.float64))

    @abstractmethod
    def _rate(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.floating]:
        """Scores (N,) from labels (N,) and p(e|x_i), (N, C)."""


class SelfConfidence(_ByProbability):
    """Retains the images whose label the network finds likely: the score is p(y_i|x_i)."""

    def _rate(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.floating]:
        return np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]


class Entropy(_ByProbability):
    """Retains the images of whose class the network is sure: the score is sum_e p(e|x_i) log p(e|x_i)."""

    def _rate(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.floating]:
        p = np.maximum(probabilities, np.finfo(np.float64).tiny)
        score: NDArray[np.float64] = (p * np.log(p)).sum(axis=1)
        return score


class Cleanlab(_ByProbability):
    """Confident learning (Northcutt et al. 2021), by the library cleanlab, on out-of-fold probabilities.

    The score is the library's label quality, by its default the self-confidence p(y_i|x_i), less 1 where its
    `find_label_issues` flags the image: the flagged images come first among the suspects, as the library ranks them.

    Args:
        env: ImageSelect-v0.
        seed: of folds, networks and ties.
        keep_ratio: a share in [0, 1]; "clean", see `ScoredSelection`; or "estimated": retain what the library's
            `find_label_issues` does not flag.
        folds: K networks, each judging the K-th part that it was not trained on.
        epochs: that each of the K is trained.

    Raises:
        ImportError: if cleanlab is not installed.
        ValueError: as `ScoredSelection`, or if `folds` or `epochs` is not allowed.
    """

    _words: ClassVar[tuple[str, ...]] = ("clean", "estimated")

    def __init__(
        self,
        env: gym.Env[Any, Any],
        seed: int | None = None,
        keep_ratio: float | str = "estimated",
        folds: int = 5,
        epochs: int = 5,
    ) -> None:
        check_count("folds", folds, least=2)  # confident learning needs probabilities out of fold
        super().__init__(env, seed, keep_ratio, folds, epochs)
        try:
            import cleanlab.filter
            import cleanlab.rank
        except ImportError as error:
            raise ImportError("cleanlab is not installed: pip install 'fer-gym[benchmark]'") from error
        self._label_quality = cleanlab.rank.get_label_quality_scores
        self._find_label_issues = cleanlab.filter.find_label_issues

    def _rate(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.floating]:
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        self._flagged = np.asarray(self._find_label_issues(labels, probabilities, n_jobs=1), dtype=np.bool_)
        quality: NDArray[np.float64] = self._label_quality(labels, probabilities)
        return quality - self._flagged

    def _choose(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        return ~self._flagged if self.keep_ratio == "estimated" else super()._choose(scores)
