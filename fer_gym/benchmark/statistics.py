"""Means over seeds, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval; the bounds are NaN for a single value."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """The mean and half the interval's width."""
        if np.isnan(self.low):
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ± {(self.high - self.low) / 2:.3f}"


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent values, with Student's interval (which covers, where a bootstrap of five does not).

    For the difference of two arms pass the differences seed by seed: they are paired.

    Args:
        values: one per seed, at least one.
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample)))
    return Interval(mean, mean - half, mean + half)
