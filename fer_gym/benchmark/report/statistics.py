"""Scores over seeds and tasks, with 95 % intervals.

A seed fixes split, noise, initial weights and batch order for every arm, so arms are compared seed by seed. A bootstrap
resamples the seeds of each task (the strata) and takes the same resamples for every arm with as many seeds: differences
stay paired. Its percentiles cover too little under ten seeds, so Student's interval of the mean stands beside it. Raw
scores of several tasks are never pooled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

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
    sample = _sample(values)
    mean = float(sample.mean())
    if len(sample) < 2:
        return MeanInterval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + _LEVEL) / 2, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample)))
    return MeanInterval(mean, mean - half, mean + half)


def interquartile_mean(values: ArrayLike) -> Interval:
    """The mean of what is left when a quarter of the values is cut from either end, with a bootstrap interval.

    One task only: tasks differ in level, so trimming a pool of several would drop whole tasks.

    Args:
        values: of one arm, one per seed, at least one.
    """
    sample = _sample(values)
    (drawn,) = _draws((len(sample),))
    return _percentiles(float(_trimmed_mean(sample)), _trimmed_mean(sample[drawn]), (len(sample),))


def interquartile_mean_difference(ours: ArrayLike, theirs: ArrayLike) -> Interval:
    """The difference of two arms' interquartile means in one task, with a bootstrap interval.

    Args:
        ours: of the arm, one per seed.
        theirs: of the baseline, under the same seeds in the same order.
    """
    one, other = _sample(ours), _sample(theirs)
    _check_paired([one], [other])
    (drawn,) = _draws((len(one),))
    estimate = float(_trimmed_mean(one) - _trimmed_mean(other))
    return _percentiles(estimate, _trimmed_mean(one[drawn]) - _trimmed_mean(other[drawn]), (len(one),))


def mean_difference(ours: Scores, theirs: Scores) -> Interval:
    """The mean over tasks of each task's mean difference under the same seed, with a stratified bootstrap interval.

    With T tasks and n_t seeds in task t:

        1/T Σ_t 1/n_t Σ_s (x_ts − y_ts)

    Every task counts the same, whatever its level or its number of seeds.

    Args:
        ours: of the arm.
        theirs: of the baseline, under the same seeds in the same order.
    """
    _check_paired(ours, theirs)
    differences = [_sample(x) - _sample(y) for x, y in zip(ours, theirs, strict=True)]
    drawn = [each[places].mean(axis=-1) for each, places in zip(differences, _draws(_counts(ours)), strict=True)]
    estimate = float(np.mean([each.mean() for each in differences]))
    return _percentiles(estimate, np.mean(drawn, axis=0), _counts(ours))


def probability_of_improvement(ours: Scores, theirs: Scores) -> Interval:
    """P(X > Y) + P(X = Y) / 2 for runs X of the arm and Y of the baseline under the same seed; the mean over the tasks.

    The interval is Clopper and Pearson's for the number of wins; a tie is half a win. Of T tasks with n_1 … n_T seeds
    it takes T · min(n_t) trials. It covers at least 95 %:

    - Ties: if a coin decided each, the wins would be binomial; half a win in its place varies less.
    - Tasks: wins of unequal probability vary less than binomial ones of their mean probability (Hoeffding 1956).

    Args:
        ours: of the arm.
        theirs: of the baseline, under the same seeds in the same order.
    """
    _check_paired(ours, theirs)
    signs = [np.sign(_sample(x) - _sample(y)) for x, y in zip(ours, theirs, strict=True)]
    estimate = float(np.mean([(each.mean() + 1) / 2 for each in signs]))
    trials = len(signs) * min(map(len, signs))
    wins = estimate * trials
    tail = (1 - _LEVEL) / 2
    low = float(stats.beta.ppf(tail, wins, trials - wins + 1)) if estimate > 0 else 0.0
    high = float(stats.beta.isf(tail, wins + 1, trials - wins)) if estimate < 1 else 1.0
    return Interval(estimate, low, high)


def normalised(scores: ArrayLike, trivial: ArrayLike, reference: ArrayLike) -> Interval:
    """An agent's place between two references, with a bootstrap interval that resamples all three.

        (mean(scores) − mean(trivial)) / (mean(reference) − mean(trivial))

    It is not clipped. The references' seeds are resampled in pairs, the agent's, which are others, by themselves.

    Args:
        scores: of the agent, one per seed.
        trivial: of the lower reference, one per calibration seed.
        reference: of the upper one, under the same seeds.
    """
    return _over_tasks([Placed(scores, trivial, reference)], functools.partial(np.mean, axis=-1))


@dataclass(frozen=True)
class Placed:
    """An agent's scores in one calibrated task, and the references that place them.

    Attributes:
        scores: one per seed.
        trivial: the lower reference's, one per calibration seed.
        reference: the upper one's, under the same seeds.
    """

    scores: ArrayLike
    trivial: ArrayLike
    reference: ArrayLike

    @property
    def normalised(self) -> NDArray[np.float64]:
        """Each seed's score placed between the references' means."""
        low, high = _sample(self.trivial).mean(), _sample(self.reference).mean()
        placed: NDArray[np.float64] = (_sample(self.scores) - low) / (high - low)
        return placed


def interquartile_mean_over_tasks(tasks: Sequence[Placed]) -> Interval:
    """The interquartile mean of an agent's normalised scores of all tasks and seeds, with a bootstrap interval.

    The scores of each task are resampled among themselves, and so are its references, in pairs. Normalised scores have
    one level, so they can be pooled; trimming pooled raw scores would drop whole tasks.

    Args:
        tasks: at least one, with at least one seed each.
    """
    return _over_tasks(tasks, _trimmed_mean)


def _over_tasks(tasks: Sequence[Placed], average: Callable[[NDArray[np.float64]], Any]) -> Interval:
    counts: list[int] = []
    for task in tasks:
        _check_paired([task.trivial], [task.reference])
        counts += _counts([task.scores, task.trivial])
    draws = iter(_draws(tuple(counts)))
    resampled = []
    for task in tasks:
        ours, low, high = _sample(task.scores), _sample(task.trivial), _sample(task.reference)
        drawn, references = next(draws), next(draws)
        base = low[references].mean(axis=1, keepdims=True)
        resampled.append((ours[drawn] - base) / (high[references].mean(axis=1, keepdims=True) - base))
    estimate = float(average(np.concatenate([task.normalised for task in tasks])))
    return _percentiles(estimate, average(np.concatenate(resampled, axis=1)), tuple(counts))


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
        raise ValueError(f"paired scores need the same seeds: {_counts(ours)} a task, and {_counts(theirs)}")


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    trimmed: NDArray[np.float64] = stats.trim_mean(values, _TRIMMED, axis=-1)
    return trimmed


@functools.lru_cache(maxsize=8)
def _draws(counts: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """For each task the places drawn, (resamples, seeds): the same for every arm."""
    rng = np.random.default_rng(0)
    return [rng.integers(count, size=(_RESAMPLES, count)) for count in counts]


def _percentiles(estimate: float, resampled: NDArray[np.float64], counts: tuple[int, ...]) -> Interval:
    if min(counts) < 2:  # a single seed says nothing of the spread
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(resampled, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(estimate, float(low), float(high))
