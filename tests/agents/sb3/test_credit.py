"""Delayed credits: exactly what the environment says, exactly where Stable-Baselines3 learns from."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv
from toy_walk import ToyWalk

import fer_gym  # noqa: F401  (registers)
from fer_gym_agents import Reinforce, SampleCredits

N = 9
SPLITS = tiny_data.splits(N, held_out=6, side=8)


def image_select() -> gym.Env[Any, Any]:
    return gym.make("ImageSelect-v0", dataset=SPLITS, pretrain_epochs=0, batch_size=4, credit="signed")


class Inspect(BaseCallback):
    """Compares the rollout buffer with the infos."""

    def _on_training_start(self) -> None:
        self.rollouts = 0
        self.credits: list[list[np.ndarray]] = [[] for _ in range(self.training_env.num_envs)]

    def _on_step(self) -> bool:
        for environment, info in enumerate(self.locals["infos"]):
            if "sample_credits" in info:
                self.credits[environment].append(info["sample_credits"].copy())
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        expected = np.stack([np.concatenate(episodes) for episodes in self.credits], axis=1)
        assert buffer.rewards.shape == expected.shape
        assert expected.any()
        assert np.array_equal(buffer.rewards, expected)
        assert np.array_equal(buffer.advantages, expected - buffer.values)
        self.credits = [[] for _ in self.credits]
        self.rollouts += 1


def algorithm(name: str, env: Any, n_steps: int) -> Any:
    if name == "Reinforce":
        return Reinforce(env, n_steps=n_steps, pretrain_episodes=1, seed=0)
    kind = {"PPO": PPO, "A2C": A2C}[name]
    keywords: dict[str, Any] = {"batch_size": n_steps, "n_epochs": 1} if kind is PPO else {}
    return kind("MlpPolicy", env, n_steps=n_steps, gamma=0.0, gae_lambda=0.0, seed=0, device="cpu", **keywords)


@pytest.mark.parametrize(
    ("name", "environments", "episodes"),
    [(name, *counts) for name in ("PPO", "A2C") for counts in ((1, 1), (1, 3), (2, 2))]
    + [("Reinforce", 1, 1), ("Reinforce", 2, 1)],  # its rollouts are one episode long
)
def test_credits_reach_the_rollout_buffer(name: str, environments: int, episodes: int) -> None:
    env = DummyVecEnv([image_select] * environments)
    model = algorithm(name, env, N * episodes)
    inspect = Inspect()
    model.learn(2 * N * episodes * environments, callback=[SampleCredits(), inspect])
    assert inspect.rollouts == 2
    assert model.num_timesteps == 2 * N * episodes * environments


@pytest.mark.parametrize("name", ["PPO", "A2C"])
@pytest.mark.parametrize("n_steps", [10, 24])
def test_a_rollout_of_broken_episodes(name: str, n_steps: int) -> None:
    model = algorithm(name, ToyWalk(16), n_steps)
    with pytest.raises(ValueError, match=rf"SampleCredits: .*16 steps .* n_steps = {n_steps}; .* whole number"):
        model.learn(100, callback=SampleCredits())


@pytest.mark.parametrize(("gamma", "gae_lambda", "named"), [(0.99, 0.0, "gamma"), (0.0, 0.95, "gae_lambda")])
def test_credits_are_not_discounted(gamma: float, gae_lambda: float, named: str) -> None:
    model = PPO("MlpPolicy", ToyWalk(), n_steps=16, batch_size=16, gamma=gamma, gae_lambda=gae_lambda, device="cpu")
    with pytest.raises(ValueError, match=f"SampleCredits: {named} is"):
        model.learn(16, callback=SampleCredits())


def test_an_algorithm_without_rollouts() -> None:
    model = DQN("MlpPolicy", ToyWalk(), buffer_size=10, device="cpu")
    with pytest.raises(ValueError, match=r"DQN has no rollout buffer; .*PPO"):
        model.learn(16, callback=SampleCredits())


def test_episodes_without_credits_keep_their_rewards() -> None:
    class Plain(ToyWalk):
        def step(self, action: np.int64) -> Any:
            *step, _ = super().step(action)
            return *step, {}

    rewards = []

    class Note(BaseCallback):
        def _on_step(self) -> bool:
            rewards.append(float(self.locals["rewards"][0]))
            return True

        def _on_rollout_end(self) -> None:
            assert self.model.rollout_buffer.rewards[:, 0].tolist() == pytest.approx(rewards)

    algorithm("PPO", Plain(4), 8).learn(8, callback=[SampleCredits(), Note()])
    assert np.count_nonzero(rewards) <= 2


def test_ppo_learns_from_credits() -> None:
    model = PPO(
        "MlpPolicy", ToyWalk(64, worth=1.0), n_steps=64, batch_size=64, learning_rate=0.01, gamma=0.0, gae_lambda=0.0,
        seed=0, device="cpu",
    )  # fmt: skip
    model.learn(64 * 15, callback=SampleCredits())
    observations = np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], np.float32)
    assert model.predict(observations, deterministic=True)[0].tolist() == [1, 0]
