"""`TimeBaseline`: its returns worked out by hand, and that PPO learns with it where a critic misleads it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from fer_gym_agents import BoxPolicy, TimeBaseline, TimeBaselinePPO, ppo, recurrent_ppo


class Child(gym.Env[np.ndarray, np.ndarray]):
    """What is hard about RegTune-v0, without noise.

    The reward falls with the time, the observed loss too. Action a adds 0.1 a to the reward, and a to the next loss.
    """

    observation_space = Box(0.0, 20.0, (1,), np.float32)
    action_space = Box(0.0, 1.0, (1,), np.float32)

    def __init__(self, chunks: int = 20) -> None:
        self.chunks = chunks

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return np.full(1, 2.0, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = -0.5 * self.time / self.chunks + 0.1 * float(action[0])
        self.time += 1
        loss = 2.0 - self.time / self.chunks + action
        return loss.astype(np.float32), reward, self.time == self.chunks, False, {}


class Kept(TimeBaselinePPO):
    """Keeps what each rollout was learnt from."""

    def _setup_model(self) -> None:
        super()._setup_model()
        self.learnt: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def train(self) -> None:
        rewards = self.rollout_buffer.rewards.copy()
        super().train()
        buffer = self.rollout_buffer
        # `get` has flattened the arrays of (steps, environments), an environment after the other.
        shape = (buffer.n_envs, buffer.buffer_size)
        self.learnt.append((rewards.T, buffer.values.reshape(shape).copy(), buffer.advantages.reshape(shape).copy()))


def settings(n_steps: int, **others: Any) -> dict[str, Any]:
    return {"policy": BoxPolicy, "n_steps": n_steps, "batch_size": n_steps, "seed": 0, "device": "cpu", **others}


def learnt_action(agent: PPO) -> float:
    return float(agent.predict(np.array([1.5], np.float32), deterministic=True)[0][0])


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_what_a_critic_of_the_loss_unlearns(seed: int) -> None:
    chosen = {}
    for algorithm in (PPO, TimeBaselinePPO):
        agent = algorithm(
            env=Child(),
            **settings(40, gae_lambda=0.5, gamma=0.995, learning_rate=3e-3, policy_kwargs={"log_std_init": -0.7}),
        )
        agent.set_random_seed(seed)
        agent.learn(40 * 40)
        chosen[algorithm] = learnt_action(agent)
    assert chosen[TimeBaselinePPO] > 0.8
    assert chosen[PPO] < 0.5  # it began in the middle, and every step up pays


def test_values_and_advantages_by_hand() -> None:
    agent = Kept(env=Child(chunks=2), **settings(4, gamma=0.5, gae_lambda=1.0))
    agent.learn(4)
    (first, second, third, fourth), values, advantages = (array[0] for array in agent.learnt[0])
    late = (second + fourth) / 2
    early = (first + third) / 2 + 0.5 * late
    assert values == pytest.approx([early, late, early, late])
    assert advantages == pytest.approx(
        [first + 0.5 * second - early, second - late, third + 0.5 * fourth - early, fourth - late], abs=1e-6
    )


def test_lambda_is_a_second_discount() -> None:
    agent = Kept(env=Child(chunks=4), **settings(8, gamma=0.9, gae_lambda=0.5))
    agent.learn(8)
    rewards, _, advantages = (array[0] for array in agent.learnt[0])
    less_the_mean = rewards.reshape(2, 4) - rewards.reshape(2, 4).mean(axis=0)
    by_hand = [[sum(0.45**k * row[t + k] for k in range(4 - t)) for t in range(4)] for row in less_the_mean]
    assert advantages == pytest.approx(np.ravel(by_hand), abs=1e-6)


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_the_clock_goes_on_where_a_callback_stopped(stop: int) -> None:
    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < stop

    agent = Kept(env=Child(chunks=4), **settings(8, gamma=0.0))
    agent.learn(8)
    agent.learn(8, callback=Stop(), reset_num_timesteps=False)
    agent.learn(8, reset_num_timesteps=False)
    # At gamma 0 a value is the mean reward of its time, and this child is paid less at each.
    values = agent.learnt[-1][1][0]
    times = (-values[:4]).argsort().argsort()
    assert times.tolist() == [(stop + step) % 4 for step in range(4)]
    assert np.array_equal(values[:4], values[4:])


def test_earlier_rollouts_fade() -> None:
    agent = Kept(env=Child(chunks=1), **settings(2, gamma=0.5))
    agent.learn(6)
    rewards = [rewards.sum() for rewards, _, _ in agent.learnt]
    weights = [4 / 9, 2 / 3, 1]
    expected = np.dot(weights, rewards) / (2 * sum(weights))
    assert agent.learnt[-1][1] == pytest.approx(np.full((1, 2), expected))


def test_rollouts_that_end_within_episodes_and_several_environments() -> None:
    agent = Kept(env=DummyVecEnv([Child, lambda: Child(chunks=3)]), **settings(8, gamma=0.0))
    agent.learn(3 * 16)
    # Where nothing to come counts, the clock says the mean reward of a step, and counts on over rollouts.
    paid, counted = np.zeros(20), np.zeros(20)
    times = np.array([np.arange(24) % 20, np.arange(24) % 3])
    for rollout, (rewards, values, _) in enumerate(agent.learnt):
        now = times[:, 8 * rollout : 8 * rollout + 8]
        paid, counted = paid * 2 / 3, counted * 2 / 3
        np.add.at(paid, now, rewards)
        np.add.at(counted, now, 1)
        assert values == pytest.approx(paid[now] / counted[now])


@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
def test_the_reference_agents_have_it(make: Any, tmp_path: Any) -> None:
    agent = make(Child(), seed=0)
    assert isinstance(agent, TimeBaseline)
    agent.learn(80)
    agent.save(tmp_path / "agent")
    loaded = type(agent).load(tmp_path / "agent", env=Child())
    assert loaded._sums_and_counts.any()
    assert np.array_equal(loaded._sums_and_counts, agent._sums_and_counts)
    loaded.learn(40, reset_num_timesteps=False)
    assert loaded.num_timesteps == 120
