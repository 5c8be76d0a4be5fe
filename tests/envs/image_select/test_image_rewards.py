"""The table of rewards, baselines and credits, each entry worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from fer_gym.envs import FinishedWalk
from fer_gym.envs.image_select.rewards import assign, probability, reward_walk, values
from fer_gym.errors import UsageError


def walk(
    probabilities: list[list[float]], labels: list[int], actions: list[int], f1: tuple[float, float] = (0.25, 0.5)
) -> FinishedWalk:
    before, after = ({"accuracy": 0.9, "macro_f1": value} for value in f1)
    return FinishedWalk(
        np.array(probabilities, np.float32), np.array(labels), np.array(actions, dtype=bool), before, after
    )


# The design's: p of the given label .9 .5 .1, the first two retained.
WORKED = walk([[0.9, 0.1], [0.5, 0.5], [0.9, 0.1]], [0, 1, 1], [1, 1, 0])
# Three classes; p of the given label .7 .6 .2 .1, the first and the last retained. Mean of the columns .45 .3 .25.
THREE = walk([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.5, 0.1, 0.4]], [0, 1, 2, 1], [1, 0, 0, 1])


def near(values: Any) -> Any:
    return pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize(
    ("credit", "credits"), [("retained", [0.4, 0, 0]), ("signed", [0.4, 0, 0.4]), ("literal", [0.4, 0, -0.4])]
)
def test_the_worked_example(credit: str, credits: list[float]) -> None:
    outcome = reward_walk(WORKED, "probability", "dataset", credit)
    assert outcome.reward == near(0.4)
    assert type(outcome.reward) is float
    assert outcome.sample_rewards.tolist() == near([0.4, 0, -0.4])
    assert outcome.sample_credits.tolist() == near(credits)
    assert outcome.sample_rewards.dtype == outcome.sample_credits.dtype == np.float32


REWARDS = {  # baseline: R_i without a cost
    "dataset": [0.7 - 0.4, 0.6 - 0.4, 0.2 - 0.4, 0.1 - 0.4],
    "marginal": [0.7 - 0.45, 0.6 - 0.3, 0.2 - 0.25, 0.1 - 0.3],
    "class": [0.7 - 1 / 3, 0.6 - 1 / 3, 0.2 - 1 / 3, 0.1 - 1 / 3],
}
FACTORS = {"retained": [1, 0, 0, 1], "signed": [1, -1, -1, 1], "literal": [1, 1, 1, 1]}


@pytest.mark.parametrize("cost", [0.0, 0.125])
@pytest.mark.parametrize("credit", FACTORS)
@pytest.mark.parametrize("baseline", REWARDS)
def test_probability(baseline: str, credit: str, cost: float) -> None:
    outcome = reward_walk(THREE, "probability", baseline, credit, cost)
    rewards = [value - cost for value in REWARDS[baseline]]
    assert outcome.sample_rewards.tolist() == near(rewards)
    assert outcome.reward == near(rewards[0] + rewards[3])  # of the retained, whatever the credit
    assert outcome.sample_credits.tolist() == near([f * r for f, r in zip(FACTORS[credit], rewards, strict=True)])


@pytest.mark.parametrize(("credit", "sign"), [("retained", 0), ("signed", -1), ("literal", 1)])
def test_probability_with_nothing_retained(credit: str, sign: int) -> None:
    outcome = reward_walk(walk([[0.9, 0.1], [0.2, 0.8]], [0, 0], [0, 0]), credit=credit)
    assert outcome.reward == 0.0
    assert outcome.sample_credits.tolist() == near([sign * 0.35, sign * -0.35])


# "f1_change" and "log_likelihood" are one number for the walk: baseline, credit and cost do not concern them.
UNCONCERNED = [{}, {"baseline": "class", "credit": "signed", "retain_cost": 0.5}, {"credit": "literal"}]


@pytest.mark.parametrize("others", UNCONCERNED)
def test_f1_change(others: dict[str, Any]) -> None:
    outcome = reward_walk(THREE, "f1_change", **others)
    assert outcome.reward == near(0.25)
    assert outcome.sample_rewards.tolist() == outcome.sample_credits.tolist() == near([0.25] * 4)
    worse = reward_walk(walk([[1.0, 0.0]], [0], [1], f1=(0.5, 0.125)), "f1_change")
    assert worse.reward == near(-0.375)


@pytest.mark.parametrize("others", UNCONCERNED)
@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([1, 0, 0, 1], (math.log(0.7) + math.log(0.1)) / 2),
        ([0, 0, 1, 0], math.log(0.2)),
        ([0, 0, 0, 0], (math.log(0.7) + math.log(0.6) + math.log(0.2) + math.log(0.1)) / 4),
    ],
)
def test_log_likelihood(actions: list[int], expected: float, others: dict[str, Any]) -> None:
    outcome = reward_walk(walk(THREE.probabilities.tolist(), [0, 1, 2, 1], actions), "log_likelihood", **others)
    assert outcome.reward == near(expected)
    assert outcome.sample_rewards.tolist() == outcome.sample_credits.tolist() == near([expected] * 4)


def test_log_likelihood_of_the_impossible_is_finite() -> None:
    outcome = reward_walk(walk([[1.0, 0.0], [1.0, 0.0]], [1, 0], [1, 0]), "log_likelihood")
    assert math.isfinite(outcome.reward)
    assert outcome.reward < math.log(1e-30)


@pytest.mark.parametrize("credit", FACTORS)
def test_a_function_that_returns_an_array_is_paid_like_probability(credit: str) -> None:
    seen = []

    def reward(finished: FinishedWalk) -> Any:
        seen.append(finished)
        return [1, -2, 3, 5]

    outcome = reward_walk(THREE, reward, credit=credit, baseline="class", retain_cost=9.0)
    assert seen == [THREE]
    assert outcome.reward == 6.0
    assert outcome.sample_rewards.tolist() == [1, -2, 3, 5]
    assert outcome.sample_credits.tolist() == [f * r for f, r in zip(FACTORS[credit], [1, -2, 3, 5], strict=True)]


@pytest.mark.parametrize("value", [0.75, np.float32(0.75), np.array(0.75)])
def test_a_function_that_returns_a_float_is_paid_like_f1_change(value: Any) -> None:
    outcome = reward_walk(THREE, lambda finished: value, credit="signed")
    assert outcome.reward == 0.75
    assert type(outcome.reward) is float
    assert outcome.sample_rewards.tolist() == outcome.sample_credits.tolist() == [0.75] * 4
    assert not np.shares_memory(outcome.sample_rewards, outcome.sample_credits)
    assert outcome.sample_rewards.dtype == outcome.sample_credits.dtype == np.float32


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(3),
        np.zeros((4, 1)),
        [],
        np.array([0, 0, 0, np.nan]),
        np.array([np.inf] * 4),
        math.nan,
        None,
        1e300,
        1j,
        "x",
        {},
        10**400,
        torch.ones((), requires_grad=True),
    ],
)
def test_a_function_that_returns_nonsense(value: Any) -> None:
    def mine(finished: FinishedWalk) -> Any:
        return value

    with pytest.raises(UsageError, match=r"^reward: the function returned .*mine must return .*\(4,\)"):
        reward_walk(THREE, mine)


def test_the_largest_number_of_the_dtype_is_a_reward() -> None:
    largest = float(np.finfo(np.float32).max)
    assert reward_walk(THREE, lambda finished: largest).reward == largest


def test_the_defaults() -> None:
    assert probability(THREE).tolist() == probability(THREE, "dataset", 0.0).tolist() == values(THREE).tolist()
    assert assign(values(THREE), THREE.retained).sample_credits.tolist() == reward_walk(THREE).sample_credits.tolist()
    assert reward_walk(THREE).sample_credits.tolist() == near([0.3, 0, 0, -0.3])


@pytest.mark.parametrize("reward", ["probability", lambda finished: np.zeros(1), lambda finished: 0.0])
def test_a_walk_of_one_image(reward: Any) -> None:
    outcome = reward_walk(walk([[0.25, 0.75]], [1], [1]), reward)
    assert outcome.reward == 0.0
    assert outcome.sample_credits.tolist() == [0.0]
