import time

import numpy as np
import pytest
from scipy import stats

from fer_gym.benchmark.report.statistics import (
    interquartile_mean,
    interquartile_mean_difference,
    mean_interval,
    probability_of_improvement,
    rank_correlation,
)


def bounds(interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


def test_interval_by_hand():
    # Mean 3, sample standard deviation sqrt(2.5), t(.975, 4) = 2.7764: half = 2.7764 * 1.5811 / sqrt(5) = 1.9632.
    interval = mean_interval([1, 2, 3, 4, 5])
    assert bounds(interval) == pytest.approx((3, 1.03676, 4.96324), abs=1e-4)
    assert str(interval) == "3.000 ± 1.963"


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=7)
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = mean_interval(list(values))
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))


def test_one_value_has_no_interval():
    assert str(mean_interval([0.25])) == "0.250"
    assert str(interquartile_mean([[0.25]])) == "0.250"
    assert str(interquartile_mean_difference([[0.25]], [[0.25004]])) == "0.000"  # and no negative zero
    assert str(probability_of_improvement([[0.25]], [[0.2]])) == "1.000"


def test_interquartile_mean_by_hand():
    assert interquartile_mean([[9, 1, 2, 4]]).estimate == 3  # 1 and 9 are cut
    assert interquartile_mean([[100, 1, 2, 3, -50]]).estimate == 2  # a quarter of five is one
    assert interquartile_mean([[1, 2, 6]]).estimate == 3  # a quarter of three is none
    assert interquartile_mean([[9, 1], [2, 4]]).estimate == 3  # tasks in one pool


def test_a_bootstrap_by_hand():
    # Of two seeds a resample is 0 0, 0 1, 1 0 or 1 1: a quarter of the means at 0, half at .5, a quarter at 1.
    assert bounds(interquartile_mean([[0, 1]])) == (0.5, 0, 1)
    assert str(interquartile_mean([[0, 1]])) == "0.500 [0.000, 1.000]"
    # Strata: seeds are drawn within their task, so two tasks that do not vary leave no interval.
    assert bounds(interquartile_mean([[0, 0], [1, 1]])) == (0.5, 0.5, 0.5)


def test_differences_stay_paired():
    # Far apart from seed to seed, always .1 apart from each other: a bootstrap of each by itself would see nothing.
    theirs = np.array([0.1, 0.9, 0.3, 0.7, 0.5])
    assert bounds(interquartile_mean_difference([theirs + 0.1], [theirs])) == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="same seeds"):
        interquartile_mean_difference([[1, 2]], [[1, 2, 3]])


def test_the_bootstrap_agrees_with_scipy():
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(0.6, 0.1, 10), rng.normal(0.5, 0.1, 10)

    def trimmed(x, axis):
        return stats.trim_mean(x, 0.25, axis=axis)

    def difference(x, y, axis):
        return trimmed(x, axis) - trimmed(y, axis)

    def reference(*samples, statistic):
        result = stats.bootstrap(samples, statistic, paired=len(samples) > 1, method="percentile", rng=2)
        return result.confidence_interval.low, result.confidence_interval.high

    one, two = interquartile_mean([ours]), interquartile_mean_difference([ours], [theirs])
    assert (one.low, one.high) == pytest.approx(reference(ours, statistic=trimmed), abs=0.005)
    assert (two.low, two.high) == pytest.approx(reference(ours, theirs, statistic=difference), abs=0.005)


def test_probability_of_improvement_by_hand():
    ours, theirs = [[1, 2, 3]], [[3, 1, 2]]
    # Of nine pairs ours is above in 2>1, 3>1, 3>2 and equal in three: (3 + 1.5) / 9. Seed by seed: 1<3, 2>1, 3>2.
    assert probability_of_improvement(ours, theirs).estimate == pytest.approx(0.5)
    assert probability_of_improvement(ours, theirs, paired=True).estimate == pytest.approx(2 / 3)
    assert bounds(probability_of_improvement([[2, 3]], [[0, 1]])) == (1, 1, 1)
    # The mean over the tasks: 1 in the first, a tie in the second, each with as many seeds as it has.
    assert probability_of_improvement([[2, 3], [1]], [[0, 1], [1]]).estimate == 0.75


def test_probability_of_improvement_agrees_with_mann_and_whitney():
    rng = np.random.default_rng(3)
    ours, theirs = rng.integers(0, 6, 10), rng.integers(0, 6, 10)  # with ties
    found = probability_of_improvement([ours], [theirs])
    assert found.estimate == pytest.approx(stats.mannwhitneyu(ours, theirs).statistic / 100)

    def statistic(x, y, axis):
        wins = np.sign(x[..., :, None] - y[..., None, :])
        return (wins + 1).mean(axis=(-1, -2)) / 2

    result = stats.bootstrap((ours, theirs), statistic, paired=True, method="percentile", axis=-1, rng=4)
    assert (found.low, found.high) == pytest.approx(
        (result.confidence_interval.low, result.confidence_interval.high), abs=0.015
    )


def test_the_same_scores_give_the_same_interval_fast():
    scores = np.random.default_rng(5).normal(size=(12, 10))
    interquartile_mean([scores[0]])  # imports and draws
    start = time.process_time()
    first = [interquartile_mean([arm]) for arm in scores]
    improvements = [probability_of_improvement([arm], [scores[0]]) for arm in scores]
    assert time.process_time() - start < 1
    assert first == [interquartile_mean([arm]) for arm in scores]
    assert improvements[0].estimate == 0.5


def test_rank_correlation():
    assert rank_correlation([1, 2, 3], [9, 5, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 2], [9, 5]) is None
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None
