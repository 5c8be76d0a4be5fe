import numpy as np
import pytest
from scipy import stats

from fer_gym.benchmark.statistics import mean_interval


def test_interval_by_hand():
    # Mean 3, sample standard deviation sqrt(2.5), t(.975, 4) = 2.7764: half = 2.7764 * 1.5811 / sqrt(5) = 1.9632.
    interval = mean_interval([1, 2, 3, 4, 5])
    assert (interval.mean, interval.low, interval.high) == pytest.approx((3, 1.03676, 4.96324), abs=1e-4)
    assert str(interval) == "3.000 ± 1.963"


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=7)
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = mean_interval(list(values))
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))


def test_one_value_has_no_interval():
    assert str(mean_interval([0.25])) == "0.250"
