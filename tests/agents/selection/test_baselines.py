"""The agents that do not learn."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
from stable_baselines3.common.evaluation import evaluate_policy
from toy_walk import ToyWalk

import fer_gym  # noqa: F401  (registers)
from fer_gym_agents import KeepAll, RandomKeep


def test_random_keeps_its_share() -> None:
    agent = RandomKeep(ToyWalk(), keep_ratio=0.3, seed=0)
    actions, state = agent.predict(np.zeros((4000, 4), np.float32))
    assert state is None
    assert actions.dtype == np.int64
    assert actions.shape == (4000,)
    assert 0.27 < actions.mean() < 0.33
    assert agent.predict(np.zeros(4, np.float32))[0].shape == ()
    assert agent.keep_probability(np.zeros((5, 4), np.float32)).tolist() == pytest.approx([0.3] * 5)
    again = RandomKeep(ToyWalk(), keep_ratio=0.3, seed=0)
    assert np.array_equal(again.predict(np.zeros((4000, 4), np.float32))[0], actions)


def test_learning_takes_no_step() -> None:
    env = ToyWalk(2)
    for agent in (RandomKeep(env), KeepAll(env)):
        assert agent.learn(1000, callback=None, progress_bar=False) is agent
    assert env.episodes == 0


@pytest.mark.parametrize("keep_ratio", [0.0, 1.0])
def test_certain_ratios(keep_ratio: float) -> None:
    agent = RandomKeep(ToyWalk(), keep_ratio=keep_ratio)
    assert set(agent.predict(np.zeros((500, 4), np.float32))[0]) == {int(keep_ratio)}


@pytest.mark.parametrize("keep_ratio", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability(keep_ratio: float) -> None:
    with pytest.raises(ValueError, match=r"^keep_ratio: .*\[0, 1\]"):
        RandomKeep(ToyWalk(), keep_ratio=keep_ratio)


@pytest.mark.parametrize("agent", [RandomKeep(ToyWalk(), keep_ratio=0.7, seed=0), KeepAll(ToyWalk())])
def test_saving(agent: RandomKeep, tmp_path: Path) -> None:
    agent.save(tmp_path / "agent")
    loaded = type(agent).load(tmp_path / "agent", ToyWalk())
    assert type(loaded) is type(agent)
    assert loaded.keep_ratio == agent.keep_ratio
    again = [type(agent).load(tmp_path / "agent", ToyWalk()) for _ in range(2)]
    assert np.array_equal(*(each.predict(np.zeros((50, 4), np.float32))[0] for each in again))  # by the same coin


def test_keep_all_is_evaluated_on_the_walk() -> None:
    splits = tiny_data.splits(9, held_out=6, side=8)
    kept: list[float] = []

    def note(locals_: dict[str, Any], _: dict[str, Any]) -> None:
        if locals_["done"]:
            kept.append(locals_["info"]["keep_ratio"])

    for agent, ratio in ((KeepAll, 1.0), (lambda env: RandomKeep(env, 0.0), 0.0)):
        env = gym.make("ImageSelect-v0", dataset=splits, pretrain_epochs=0, batch_size=4)
        rewards, lengths = evaluate_policy(
            agent(env), env, n_eval_episodes=2, callback=note, return_episode_rewards=True, warn=False
        )
        assert lengths == [9, 9]
        assert rewards == pytest.approx([0, 0], abs=1e-5)  # all retained: the mean less the mean
        assert kept[-2:] == [ratio, ratio]
