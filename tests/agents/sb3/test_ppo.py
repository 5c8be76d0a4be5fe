"""PPO and its recurrent form in an environment whose actions are not [-1, 1]."""

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from gymnasium.wrappers import RescaleAction
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv
from toy_box import ToyBox
from toy_walk import ToyWalk

from fer_gym import agents
from fer_gym_agents import BoxPolicy, RandomPerChunk, Symlog, a2c, ppo, recurrent_ppo

BOTH = pytest.mark.parametrize(("make", "algorithm"), [(ppo, PPO), (recurrent_ppo, RecurrentPPO)])


def squared_error(agent: Any, env: ToyBox) -> float:
    reward, _ = evaluate_policy(agent, env, n_eval_episodes=10, deterministic=False, warn=False)
    return -float(reward)


@pytest.mark.parametrize(("make", "episodes"), [(ppo, 40), (recurrent_ppo, 20)])
def test_it_learns(make: Any, episodes: int) -> None:
    env = ToyBox(chunks=20)
    agent = make(env, seed=0)
    agent.learn(20 * episodes)
    assert all(env.action_space.contains(action) for action in env.actions)
    assert squared_error(agent, env) < 0.5 * squared_error(RandomPerChunk(env, seed=0), env)
    action, _ = agent.predict(np.ones(3, np.float32), deterministic=True)
    assert action[0] > 0.5  # it began at 0.4, and the target is 0.65


@BOTH
def test_actions_are_in_the_environments_units(make: Any, algorithm: Any) -> None:
    env = ToyBox()
    agent = make(env, seed=0)
    assert isinstance(agent, algorithm)
    assert agent.action_space == env.action_space
    observation = np.ones(3, np.float32)
    middle, _ = agent.predict(observation, deterministic=True)
    assert middle == pytest.approx([0.4, 0.2], abs=0.01)  # an untrained policy's mean is the box's middle
    sampled = np.array([agent.predict(observation)[0] for _ in range(300)])
    assert all(env.action_space.contains(action) for action in sampled)
    assert sampled.min(axis=0) == pytest.approx(env.action_space.low)
    assert sampled.max(axis=0) == pytest.approx(env.action_space.high)
    assert agent.predict(np.ones((4, 3), np.float32))[0].shape == (4, 2)


def test_it_is_the_policy_of_the_rescaled_environment() -> None:
    """The same seed, the same training as Stable-Baselines3's own policy on RescaleAction(-1, 1)."""
    ours, theirs = ToyBox(), ToyBox()
    rescaled = RescaleAction(theirs, *np.array([[-1, -1], [1, 1]], np.float32))
    settings: dict[str, Any] = {"n_steps": 20, "batch_size": 20, "seed": 5, "device": "cpu"}
    PPO(BoxPolicy, ours, policy_kwargs={"log_std_init": -0.7}, **settings).learn(60)
    PPO("MlpPolicy", rescaled, policy_kwargs={"log_std_init": -0.7}, **settings).learn(60)
    assert len(ours.actions) == 60
    assert np.array(ours.actions) == pytest.approx(np.array(theirs.actions), abs=1e-4)


@BOTH
def test_saving(make: Any, algorithm: Any, tmp_path: Path) -> None:
    env = ToyBox()
    agent = make(env, seed=0)
    agent.learn(10)
    agent.save(tmp_path / "agent")
    observation = np.linspace(0, 2, 3, dtype=np.float32)
    expected = agent.predict(observation, deterministic=True)[0]
    for loaded in (algorithm.load(tmp_path / "agent"), algorithm.load(tmp_path / "agent", env=env)):
        assert np.array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    loaded.learn(10, reset_num_timesteps=False)
    assert loaded.num_timesteps == agent.num_timesteps + 10


def test_the_papers_settings_and_those_that_follow() -> None:
    agent = ppo(ToyBox(chunks=30))
    assert agent.clip_range(1.0) == 0.2
    assert agent.gamma == 0.995
    assert agent.n_steps == 60
    assert agent.batch_size == 60
    assert ppo(DummyVecEnv([ToyBox, ToyBox])).batch_size == 2 * 2 * 5


def test_any_keyword_can_be_overridden() -> None:
    agent = ppo(ToyBox(), n_steps=7, gamma=0.5, n_epochs=1, policy_kwargs={"net_arch": [8], "log_std_init": -1.0})
    assert (agent.n_steps, agent.batch_size, agent.gamma, agent.n_epochs) == (7, 7, 0.5, 1)
    assert agent.policy.net_arch == [8]
    assert agent.policy.log_std.tolist() == [-1.0, -1.0]
    assert isinstance(agent.policy.features_extractor, Symlog)


def test_symlog() -> None:
    extract = Symlog(Box(-1.0, 20.0, (2, 2)))
    seen = extract(torch.tensor([[[0.0, 0.01], [np.e - 1, -1.0]]]))
    assert seen.tolist() == [pytest.approx([0.0, 0.00995, 1.0, -0.693147], abs=1e-5)]


def test_actions_that_are_no_box() -> None:
    env = ToyWalk(8)
    agent = ppo(env, n_steps=8, seed=0)
    agent.learn(8)
    assert agent.predict(np.zeros(4, np.float32))[0] in (0, 1)


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
def test_by_name(name: str) -> None:
    agent: Any = agents.make(name, gym.wrappers.RecordEpisodeStatistics(ToyBox()), 0, {"n_epochs": 1})
    assert agent.n_steps == 10
    assert agent.n_epochs == 1


class Unbounded(ToyBox):
    action_space = Box(-np.inf, np.inf, (2,))


@pytest.mark.parametrize("make", [ppo, recurrent_ppo, a2c])
def test_gsde_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"^use_sde: "):
        make(ToyBox(), use_sde=True)


@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
def test_wrong_settings_are_named(make: Any) -> None:
    with pytest.raises(ValueError, match=r"^env: its actions are"):
        make(Unbounded())
    with pytest.raises(ValueError, match=r"^n_steps: "):
        make(gym.make("CartPole-v1"))  # neither chunks nor images


def test_without_sb3_contrib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fer_gym_agents.sb3.recurrent", raising=False)
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    with pytest.raises(ImportError, match=r"sb3-contrib: pip install 'fer-gym\[agents\]'"):
        recurrent_ppo(ToyBox())
