"""Scores over seeds and tasks, with 95 % intervals.

A seed fixes split, noise, initial weights and batch order for every arm, so arms are compared seed by seed. A bootstrap
resamples the seeds of each task (the strata) and takes the same resamples for every arm with as many seeds: differences
stay paired. Its percentiles cover too little under ten seeds, so Student's interval of the mean stands beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fer_gym.errors import UsageError

_LEVEL = 0.95
_RESAMPLES = 10_000
_TRIMMED = 0.25  # of each end, by the interquartile mean

#: For each task, a score for each seed.
Scores = Sequence[ArrayLike]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; the bounds are NaN where a single value gives none."""

    estimate: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return not np.isnan(self.low)

    def __str__(self) -> str:
        """The estimate, and the bounds in brackets."""
        return f"{self.estimate:z.3f} [{self.low:z.3f}, {self.high:z.3f}]" if self.bounded else f"{self.estimate:z.3f}"


class MeanInterval(Interval):
    """A mean in the middle of its interval."""

    def __str__(self) -> str:
        """The mean and half the interval's width."""
        return f"{self.estimate:z.3f} ± {(self.high - self.low) / 2:.3f}" if self.bounded else f"{self.estimate:z.3f}"


def mean_interval(values: ArrayLike) -> MeanInterval:
    """The mean of independent values, with Student's interval.

    For the difference of two arms pass the differences seed by seed: they are paired.

    Args:
        values: one per seed, at least one.
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return MeanInterval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + _LEVEL) / 2, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample)))
    return MeanInterval(mean, mean - half, mean + half)


def interquartile_mean(scores: Scores) -> Interval:
    """The mean of what is left when a quarter of the values is cut from either end, all tasks in one pool.

    Args:
        scores: of one arm.
    """
    estimate = _trimmed_mean(np.concatenate([_sample(values) for values in scores]))
    return _percentiles(float(estimate), _trimmed_mean(_resampled(scores)), scores)


def interquartile_mean_difference(ours: Scores, theirs: Scores) -> Interval:
    """The difference of two arms' interquartile means.

    Args:
        ours: of the arm.
        theirs: of the one it is held against, under the same seeds in the same order.
    """
    _check_paired(ours, theirs)
    estimate = interquartile_mean(ours).estimate - interquartile_mean(theirs).estimate
    return _percentiles(estimate, _trimmed_mean(_resampled(ours)) - _trimmed_mean(_resampled(theirs)), ours)


def probability_of_improvement(ours: Scores, theirs: Scores, *, paired: bool = False) -> Interval:
    """P(X > Y) + P(X = Y) / 2, the mean over the tasks.

    Unpaired, as rliable defines it, X and Y are a run of each arm under any two seeds (Mann and Whitney's U over the
    number of pairs): will another run of ours beat another of theirs? Paired, they are runs under the same seed: given
    the same split, noise and initial weights, which is better? Both resample the seeds jointly, since that is how the
    runs were made; rliable resamples each arm by itself.

    Args:
        ours: of the arm.
        theirs: of the one it is held against, under the same seeds in the same order.
        paired: compare seed by seed.
    """
    _check_paired(ours, theirs)
    estimates, resampled = [], []
    for x, y, drawn in zip(ours, theirs, _draws(_counts(ours)), strict=True):
        difference = np.subtract.outer(_sample(x), _sample(y))
        wins = (difference > 0) + 0.5 * (difference == 0)
        if paired:
            seeds = np.diagonal(wins)
            estimates.append(seeds.mean())
            resampled.append(seeds[drawn].mean(axis=-1))
        else:
            # How often each seed was drawn weighs its row and its column: no resample is compared pair by pair.
            weights = (drawn[..., None] == np.arange(len(wins))).mean(axis=1)
            estimates.append(wins.mean())
            resampled.append(((weights @ wins) * weights).sum(axis=-1))
    return _percentiles(float(np.mean(estimates)), np.mean(resampled, axis=0), ours)


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float | None:
    """Spearman's rank correlation; None under three points, or where one of the two never changes."""
    first, second = _sample(x), _sample(y)
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.spearmanr(first, second).statistic)


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _counts(scores: Scores) -> tuple[int, ...]:
    return tuple(len(_sample(values)) for values in scores)


def _check_paired(ours: Scores, theirs: Scores) -> None:
    if _counts(ours) != _counts(theirs):
        raise UsageError(f"paired scores need the same seeds: {_counts(ours)} a task, and {_counts(theirs)}")


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    trimmed: NDArray[np.float64] = stats.trim_mean(values, _TRIMMED, axis=-1)
    return trimmed


@functools.lru_cache(maxsize=8)
def _draws(counts: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """For each task the places drawn, (resamples, seeds): the same for every arm."""
    rng = np.random.default_rng(0)
    return [rng.integers(count, size=(_RESAMPLES, count)) for count in counts]


def _resampled(scores: Scores) -> NDArray[np.float64]:
    """(resamples, values of all tasks)."""
    draws = _draws(_counts(scores))
    return np.concatenate([_sample(values)[drawn] for values, drawn in zip(scores, draws, strict=True)], axis=-1)


def _percentiles(estimate: float, resampled: NDArray[np.float64], scores: Scores) -> Interval:
    if max(_counts(scores)) < 2:
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(resampled, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(estimate, float(low), float(high))
