"""DQN on the credits of ImageSelect-v0."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import tiny_walks
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from toy_walk import BAD, GOOD, ToyWalk

from fer_gym_agents import GymnasiumVecEnv, dqn
from fer_gym_agents.sb3.credit_dqn import CreditDQN

N = 24  # images of a tiny walk


class Credits(BaseCallback):
    """Notes each walk's credits, and stops at a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self._stop_at = stop_at
        self.walks: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.walks += [info["sample_credits"] for info in self.locals["infos"] if "sample_credits" in info]
        return self.num_timesteps != self._stop_at


def rewards(agent: CreditDQN) -> np.ndarray:
    """Those in the replay buffer, the oldest first."""
    buffer = agent.replay_buffer
    return np.roll(buffer.rewards, -buffer.pos, axis=0) if buffer.full else buffer.rewards[: buffer.pos]


@pytest.mark.parametrize("buffer_size", [100, 72, 31])
def test_the_rewards_of_the_transitions_are_the_credits(buffer_size: int) -> None:
    settings: dict[str, Any] = {"pretrain_episodes": 0, "refresh_episodes": 0, "buffer_size": buffer_size}
    agent = dqn(tiny_walks.walk(credit="signed"), seed=0, **settings)
    credits = Credits()
    agent.learn(3 * N, callback=credits)
    assert len(credits.walks) == 3
    assert all(walk.any() for walk in credits.walks)
    np.testing.assert_array_equal(rewards(agent)[:, 0], np.concatenate(credits.walks)[-buffer_size:])


def test_of_several_walkers_each_has_its_own() -> None:
    splits = tiny_data.splits(11, held_out=6, side=8)  # walks of 4, 4 and 3 images
    env = GymnasiumVecEnv(
        gym.make_vec("ImageSelect-v0", num_envs=3, dataset=splits, credit="signed", batch_size=4, precision="fp32")
    )
    credits = Credits()
    agent = dqn(env, seed=0, pretrain_episodes=0, refresh_episodes=0)
    agent.learn(24, callback=credits)
    walks = [np.stack(credits.walks[start : start + 3], axis=1) for start in (0, 3)]
    np.testing.assert_array_equal(rewards(agent), np.concatenate(walks))
    assert [len(walk) for walk in walks] == [4, 4]


def test_frozen_walks_are_learnt_from_and_not_counted() -> None:
    env = ToyWalk(num_images=32)
    agent = dqn(env, seed=0)
    updates = []
    step = agent.policy.optimizer.step
    agent.policy.optimizer.step = lambda *args: (updates.append(1), step(*args))  # type: ignore[method-assign]
    agent.learn(3 * 32)
    assert (env.episodes, env.frozen_episodes) == (3, 10 + 3)
    assert agent.num_timesteps == 3 * 32
    assert len(updates) == (3 + 10 + 3) * 10  # of a walk of half a batch


def test_frozen_walks_move_no_schedule_and_no_log(tmp_path: Path) -> None:
    rates = []
    agent = dqn(ToyWalk(num_images=32), seed=0, learning_rate=lambda left: rates.append(left) or 1e-3)
    agent.set_logger(configure(str(tmp_path), ["csv"]))
    agent.learn(8 * 32)
    assert list(dict.fromkeys(rates)) == [1 - walk / 8 for walk in range(9)]
    assert len((tmp_path / "progress.csv").read_text().splitlines()) == 1 + 2  # every fourth episode
    assert agent._episode_num == 8


@pytest.mark.parametrize("train_freq", [(32, "step"), (1, "episode")])
def test_as_many_gradient_steps_as_a_walk_has(train_freq: tuple[int, str]) -> None:
    agent = dqn(ToyWalk(num_images=32), seed=0, train_freq=train_freq, gradient_steps=-1)
    agent.learn(2 * 32)
    assert agent._n_updates == (10 + 2 * 2) * 32


def test_it_learns_and_is_read_back(tmp_path: Path) -> None:
    agent = dqn(ToyWalk(num_images=64), seed=0)
    agent.learn(64 * 10)
    agent.save(tmp_path / "agent.zip")
    loaded = CreditDQN.load(tmp_path / "agent.zip", env=ToyWalk(num_images=64))
    for each in (agent, loaded):
        assert each.predict(np.stack([GOOD, BAD]), deterministic=True)[0].tolist() == [1, 0]
    loaded.learn(64, reset_num_timesteps=False)
    assert loaded.num_timesteps == 64 * 11


@pytest.mark.parametrize("step", [7, N])
def test_after_a_stop_within_a_walk_only_whole_walks_are_learnt_from(step: int) -> None:
    agent = dqn(tiny_walks.walk(credit="signed"), seed=0, pretrain_episodes=0, refresh_episodes=0)
    agent.learn(2 * N, callback=Credits(stop_at=step))
    assert agent.num_timesteps == step
    credits = Credits()
    agent.learn(2 * N, callback=credits, reset_num_timesteps=False)
    assert len(credits.walks) == 2
    np.testing.assert_array_equal(rewards(agent)[:, 0], np.concatenate(credits.walks))


def test_what_it_cannot_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^gamma: 0\.9 is not allowed; use 0\.0"):
        dqn(ToyWalk(), gamma=0.9)
    agent = dqn(ToyWalk(num_images=16), buffer_size=10)
    with pytest.raises(ValueError, match=r"^buffer_size: an episode has 16 steps, and 10 are stored"):
        agent.learn(16)


@pytest.mark.parametrize("train_freq", [4, (64, "step"), (2, "episode")])
def test_a_rollout_that_is_no_walk_is_refused(train_freq: Any) -> None:
    agent = dqn(ToyWalk(num_images=32), train_freq=train_freq)
    with pytest.raises(
        ValueError, match=r"^train_freq: a rollout of (4|64) steps is not allowed; use 32, a whole walk$"
    ):
        agent.learn(64)


def test_policy_kwargs_are_added_to_those_of_the_agent() -> None:
    agent = dqn(ToyWalk(), policy_kwargs={"features_extractor_kwargs": {"hidden": [8]}})
    assert [tuple(weight.shape) for weight in agent.q_net.parameters()] == [(8, 4), (8,), (2, 9), (2,)]
