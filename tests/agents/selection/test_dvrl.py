"""REINFORCE with DVRL's baseline and its penalty on extreme keep rates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_walk import ToyWalk

from fer_gym_agents import Dvrl


def _rate(agent: Dvrl) -> float:
    observations = np.stack([agent.env.reset()[0] for _ in range(20)])
    return float(agent.policy.keep_probability(observations).mean())


def test_the_baseline_is_the_moving_average_of_the_returns() -> None:
    env = ToyWalk()
    agent = Dvrl(env, seed=0, window=4)
    expected, returns = 0.0, []
    for _ in range(3):
        agent.learn(16, reset_num_timesteps=False)
        returns.append(float(agent.rollout_buffer.returns.mean()))
        expected += (returns[-1] - expected) / 4
        assert agent.mean_return == pytest.approx(expected)
    assert env.frozen_episodes == 0
    assert len(set(returns)) > 1


@pytest.mark.parametrize(("bias", "low", "high"), [(4.0, 0.7, 0.93), (-4.0, 0.07, 0.3)])
def test_a_rate_outside_the_bounds_comes_back(bias: float, low: float, high: float) -> None:
    agent = Dvrl(ToyWalk(worth=0.0), seed=0, learning_rate=0.01, n_epochs=20)
    with torch.no_grad():
        agent.policy.last.bias.fill_(bias)
    assert not low < _rate(agent) < high
    agent.learn(16 * 10)
    assert low < _rate(agent) < high


def test_within_the_bounds_it_costs_nothing() -> None:
    free, dear = (Dvrl(ToyWalk(), seed=0, penalty=penalty).learn(16).policy.last.weight for penalty in (0.0, 100.0))
    assert torch.equal(free, dear)


def test_one_update_by_hand() -> None:
    """From pi = 1/2, the gradient in the last bias is -(F - d) mean(a - 1/2)."""
    agent = Dvrl(ToyWalk(), seed=0, n_epochs=1, max_grad_norm=1e9)
    agent.mean_return = 0.25
    gradients: list[float] = []
    agent.policy.last.bias.register_hook(lambda gradient: gradients.append(gradient.item()))
    agent.learn(16)
    actions = agent.rollout_buffer.actions.mean()
    episode_return = float(agent.rollout_buffer.returns.mean())
    assert gradients == pytest.approx([-(episode_return - 0.25) * (actions - 0.5)], abs=1e-6)


def test_saving(tmp_path: Path) -> None:
    agent = Dvrl(ToyWalk(), seed=0, keep_rates=(0.2, 0.7)).learn(32)
    agent.save(tmp_path / "agent")
    loaded = Dvrl.load(tmp_path / "agent", env=ToyWalk())
    assert (*loaded.keep_rates, loaded.mean_return) == (0.2, 0.7, agent.mean_return)
    loaded.learn(16)


@pytest.mark.parametrize(
    "keywords",
    [
        {"keep_rates": (0.9, 0.1)},
        {"keep_rates": (-0.1, 0.9)},
        {"penalty": -1.0},
        {"window": 0},
        {"gradient": "natural"},
        {"ent_coef": 0.04},
        {"pretrain_episodes": 1},
        {"refresh_episodes": 1},
    ],
)
def test_what_is_not_allowed(keywords: dict) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(keywords))}: .* is not allowed"):
        Dvrl(ToyWalk(), **keywords)
