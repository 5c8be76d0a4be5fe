import itertools
import time

import numpy as np
import pytest
from scipy import stats

from fer_gym.benchmark.report.statistics import (
    interquartile_mean,
    interquartile_mean_difference,
    mean_difference,
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


def test_two_values_have_an_interval():
    # Standard deviation sqrt(2), t(.975, 1) = 12.7062: half = 12.7062 * sqrt(2) / sqrt(2).
    assert bounds(mean_interval([0, 2])) == pytest.approx((1, -11.7062, 13.7062), abs=1e-4)


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=7)
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = mean_interval(list(values))
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))


def test_one_value_has_no_interval():
    assert str(mean_interval([0.25])) == "0.250"
    assert str(interquartile_mean([0.25])) == "0.250"
    assert str(interquartile_mean_difference([0.25], [0.25004])) == "0.000"  # and no negative zero
    assert str(mean_difference([[0.25], [0.5, 0.6]], [[0.2], [0.4, 0.5]])) == "0.075"
    for one in (mean_interval([0.25]), interquartile_mean([0.25])):
        assert np.isnan([one.low, one.high]).all()


def test_scores_of_any_type_are_numbers():
    small = np.array([1, 2], np.uint8)
    assert mean_difference([small], [small + 1]).estimate == -1


def test_interquartile_mean_by_hand():
    assert interquartile_mean([9, 1, 2, 4]).estimate == 3  # 1 and 9 are cut
    assert interquartile_mean([100, 1, 2, 3, -50]).estimate == 2  # a quarter of five is one
    assert interquartile_mean([1, 2, 6]).estimate == 3  # a quarter of three is none


def test_a_bootstrap_by_hand():
    # Of two seeds a resample is 0 0, 0 1, 1 0 or 1 1: a quarter of the means at 0, half at .5, a quarter at 1.
    assert bounds(interquartile_mean([0, 1])) == (0.5, 0, 1)
    assert str(interquartile_mean([0, 1])) == "0.500 [0.000, 1.000]"


def test_differences_stay_paired():
    # Far apart from seed to seed, always .1 apart from each other: a bootstrap of each by itself would see nothing.
    theirs = np.array([0.1, 0.9, 0.3, 0.7, 0.5])
    assert bounds(interquartile_mean_difference(theirs + 0.1, theirs)) == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="same seeds"):
        interquartile_mean_difference([1, 2], [1, 2, 3])


def test_a_gain_in_the_hardest_of_four_tasks_shows():
    # All scores of that task lie in the lowest quarter of a pool: its interquartile mean would not see the gain.
    theirs = [
        np.array([level - 0.02, level, level + 0.02, level + 0.01, level - 0.01]) for level in (0.1, 0.5, 0.6, 0.9)
    ]
    ours = [theirs[0] + 0.1, *theirs[1:]]
    assert bounds(mean_difference(ours, theirs)) == pytest.approx((0.025, 0.025, 0.025))


def test_a_mean_over_tasks_by_hand():
    # Differences 0 1 in one task and 2 2 2 in the other: (1/2 + 2) / 2. The first resamples to 0, 1/2 or 1.
    assert bounds(mean_difference([[1, 3], [5, 6, 7]], [[1, 2], [3, 4, 5]])) == (1.25, 1, 1.5)
    # Every task counts the same: 1 from one seed, 0 from four.
    assert mean_difference([[2], [1, 1, 1, 1]], [[1], [1, 1, 1, 1]]).estimate == 0.5
    with pytest.raises(ValueError, match="same seeds"):
        mean_difference([[1, 2], [1]], [[1, 2], [1, 2]])


def test_a_stratified_bootstrap_agrees_with_its_variance():
    # Of many seeds the percentiles of a mean are those of a normal: ± 1.96 sqrt(Σ s_t² / n_t) / T.
    rng = np.random.default_rng(6)
    ours, theirs = [rng.normal(0.6, 0.1, 60), rng.normal(0.3, 0.2, 40)], [rng.normal(0.5, 0.1, 60), np.zeros(40)]
    differences = [x - y for x, y in zip(ours, theirs, strict=True)]
    half = 1.96 * np.sqrt(sum(each.var() / len(each) for each in differences)) / 2
    found = mean_difference(ours, theirs)
    assert found.estimate == pytest.approx(np.mean([each.mean() for each in differences]))
    assert found.high - found.low == pytest.approx(2 * half, rel=0.03)


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

    one, two = interquartile_mean(ours), interquartile_mean_difference(ours, theirs)
    assert (one.low, one.high) == pytest.approx(reference(ours, statistic=trimmed), abs=0.005)
    assert (two.low, two.high) == pytest.approx(reference(ours, theirs, statistic=difference), abs=0.005)


def test_probability_of_improvement_by_hand():
    # Seed by seed: 1 < 3, 2 > 1, 3 > 2, and a tie counts half.
    assert probability_of_improvement([[1, 2, 3]], [[3, 1, 2]]).estimate == pytest.approx(2 / 3)
    assert probability_of_improvement([[1, 2, 3, 4]], [[3, 1, 2, 4]]).estimate == pytest.approx(2.5 / 4)
    # The mean over the tasks: 1 in the first, a tie in the second.
    assert probability_of_improvement([[2, 3], [1]], [[0, 1], [1]]).estimate == 0.75


@pytest.mark.parametrize(("wins", "seeds"), [(0, 1), (0, 5), (3, 5), (5, 5), (7, 10)])
def test_probability_of_improvement_has_an_exact_interval(wins, seeds):
    found = probability_of_improvement([[1] * wins + [-1] * (seeds - wins)], [[0] * seeds])
    reference = stats.binomtest(wins, seeds).proportion_ci(0.95, method="exact")
    assert bounds(found) == pytest.approx((wins / seeds, reference.low, reference.high))


def test_wins_in_tasks_with_as_many_seeds_are_counted_together():
    found = probability_of_improvement([[1, 1, 1, -1, -1], [1, 1, 1, 1, -1]], [[0] * 5] * 2)
    reference = stats.binomtest(7, 10).proportion_ci(0.95, method="exact")
    assert bounds(found) == pytest.approx((0.7, reference.low, reference.high))


def test_five_wins_of_five_are_not_certain():
    # The smallest p that wins all five with a probability of .025: p⁵ = .025.
    found = probability_of_improvement([[2, 3, 4, 5, 6]], [[1, 2, 3, 4, 5]])
    assert bounds(found) == pytest.approx((1, 0.025 ** (1 / 5), 1))
    assert str(found) == "1.000 [0.478, 1.000]"


@pytest.mark.parametrize("seeds", [(3,), (5,), (10,), (2, 4), (5, 5)])
def test_the_interval_covers_whatever_the_ties_and_the_tasks(seeds):
    # Every outcome of a few seeds: t ties of n and w wins.
    outcomes = [[(w, t) for w in range(n + 1) for t in range(n + 1 - w)] for n in seeds]
    intervals = []
    for outcome in itertools.product(*outcomes):
        ours = [[1] * w + [0] * t + [-1] * (n - w - t) for n, (w, t) in zip(seeds, outcome, strict=True)]
        intervals.append(probability_of_improvement(ours, [[0] * n for n in seeds]))
    low, high = np.array([interval.low for interval in intervals]), np.array([interval.high for interval in intervals])
    for truth in itertools.product(np.linspace(0.05, 0.95, 7), repeat=len(seeds)):
        for share in (0.0, 0.5, 0.99):  # of the ties that this probability allows
            chances = np.ones(1)
            for n, each, of in zip(seeds, truth, outcomes, strict=True):
                ties = share * 2 * min(each, 1 - each)
                win = each - ties / 2
                pmf = stats.multinomial.pmf([(w, t, n - w - t) for w, t in of], n, (win, ties, 1 - win - ties))
                chances = np.multiply.outer(chances, pmf).ravel()
            mean = np.mean(truth)
            assert chances[(low <= mean) & (mean <= high)].sum() >= 0.95


def test_the_same_scores_give_the_same_interval_fast():
    scores = np.random.default_rng(5).normal(size=(12, 10))
    interquartile_mean(scores[0])  # imports and draws
    start = time.process_time()
    first = [interquartile_mean(arm) for arm in scores]
    improvements = [probability_of_improvement([arm], [scores[0]]) for arm in scores]
    assert time.process_time() - start < 1
    assert first == [interquartile_mean(arm) for arm in scores]
    assert improvements[0].estimate == 0.5


def test_rank_correlation():
    assert rank_correlation([1, 2, 3], [9, 5, 1]) == pytest.approx(-1)
    assert rank_correlation([0, 0.5, 1], [0, 0.5, 1]) == pytest.approx(1)
    assert rank_correlation([1, 2], [9, 5]) is None
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None
