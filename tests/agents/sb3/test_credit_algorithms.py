"""Stable-Baselines3's algorithms by name, in both environments: the rewards they learn from, and how they rank."""

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import tiny_walks
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from toy_walk import ToyWalk

from fer_gym import agents
from fer_gym.errors import UsageError
from fer_gym_agents import CreditPPO, TimeBaselinePPO, ppo, recurrent_ppo
from fer_gym_agents.sb3.credit_algorithms import batch_size_for, without_batch_warning

TUNING = {"chunks": 4, "chunk_size": 2, "val_batches": 2, "batch_size": 4, "precision": "fp32"}


class Paid(BaseCallback):
    """Notes the rewards and the credits of each rollout."""

    def _on_training_start(self) -> None:
        self.rollouts: list[np.ndarray] = []
        self.credits: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.credits += [info["sample_credits"] for info in self.locals["infos"] if "sample_credits" in info]
        return True

    def _on_rollout_end(self) -> None:
        self.rollouts.append(self.model.rollout_buffer.rewards[:, 0].copy())


@pytest.mark.parametrize("name", ["ppo", "a2c", "recurrent_ppo"])
@pytest.mark.parametrize("as_list", [False, True])
def test_a_walker_is_paid_by_credits(name: str, as_list: bool) -> None:
    env = tiny_walks.walk(credit="signed")
    agent: Any = agents.make(name, env, 0, {})
    paid = Paid()
    agent.learn(2 * 24, callback=[paid] if as_list else paid)
    assert len(paid.rollouts) == len(paid.credits) == 2
    assert all(np.array_equal(one, other) for one, other in zip(paid.rollouts, paid.credits, strict=True))
    assert paid.credits[0].any()
    assert agent.gamma == agent.gae_lambda == 0.0


@pytest.mark.parametrize(
    ("name", "settings"),
    [("a2c", {}), ("a2c", {"critic": False}), ("a2c", {"critic": True}), ("ppo", {}), ("recurrent_ppo", {})],
)
def test_the_advantage_is_the_credit_unless_a_critic_is_asked_for(name: str, settings: dict[str, bool]) -> None:
    agent: Any = agents.make(name, tiny_walks.walk(credit="signed"), 0, settings)
    agent.learn(24)
    advantages, returns, values = (
        getattr(agent.rollout_buffer, part).flatten() for part in ("advantages", "returns", "values")
    )
    assert returns.any()
    expected = returns - values if settings.get("critic") else returns
    np.testing.assert_allclose(advantages, expected, atol=1e-6)
    assert not np.allclose(values, 0)


@pytest.mark.parametrize("n_steps", [12, 48])
def test_a_rollout_that_is_no_walk_is_refused(n_steps: int) -> None:
    agent: Any = agents.make("a2c", tiny_walks.walk(), 0, {"n_steps": n_steps})
    with pytest.raises(
        ValueError, match=rf"^n_steps: a rollout of {n_steps} steps is not allowed; use 24, a whole walk$"
    ):
        agent.learn(48)


@pytest.mark.parametrize("name", ["reinforce", "ppo", "a2c", "recurrent_ppo", "dqn"])
@pytest.mark.parametrize("keyword", ["pretrain_episodes", "refresh_episodes"])
def test_a_number_of_frozen_walks_that_is_none(name: str, keyword: str) -> None:
    with pytest.raises(UsageError, match=rf"^{keyword}: -1 is not allowed; use a whole number of at least 0$"):
        agents.make(name, tiny_walks.walk(), 0, {keyword: -1})


def test_a_function_is_a_callback() -> None:
    steps: list[int] = []
    agent: Any = agents.make("a2c", tiny_walks.walk(credit="signed"), 0, {})
    agent.learn(24, callback=lambda locals, _: steps.append(locals["self"].num_timesteps) or True)
    assert steps == [*range(1, 25)]


def test_other_warnings_are_not_hidden() -> None:
    with pytest.warns(UserWarning, match="something else"):
        without_batch_warning(lambda: warnings.warn("something else", stacklevel=1))


@pytest.mark.parametrize("name", ["ppo", "a2c", "recurrent_ppo"])
def test_keep_probabilities_are_those_that_it_acts_by(name: str, tmp_path: Path) -> None:
    env = tiny_walks.walk()
    agent: Any = agents.make(name, env, 0, {})
    observations = np.random.default_rng(0).normal(size=(8, *env.observation_space.shape)).astype(np.float32)
    agent.policy.set_training_mode(True)
    kept = agent.keep_probability(observations)
    assert kept.shape == (8,)
    assert not agent.policy.training
    # A walk in order: the recurrent policy's state goes along.
    actions = np.zeros((100, 8))
    for draw in range(100):
        state, start = None, np.ones(1, bool)
        for step, observation in enumerate(observations):
            action, state = agent.predict(observation, state=state, episode_start=start, deterministic=False)
            actions[draw, step], start = action, np.zeros(1, bool)
    assert np.abs(actions.mean(axis=0) - kept).max() < 4 * 0.5 / 10
    agent.save(tmp_path / "agent.zip")
    loaded = type(agent).load(tmp_path / "agent.zip")
    assert np.array_equal(loaded.keep_probability(observations), kept)


def test_a_walker_learns() -> None:
    """Retaining pays where an observation begins above 0, and all is paid by credits."""
    env = ToyWalk(num_images=64)
    agent = CreditPPO("MlpPolicy", env, n_steps=64, batch_size=32, gamma=0.0, gae_lambda=0.0, seed=0, device="cpu")
    agent.learn(64 * 40)
    observations = np.random.default_rng(0).uniform(-1, 1, size=(200, 4)).astype(np.float32)
    kept = agent.keep_probability(observations)
    assert kept[observations[:, 0] > 0.2].mean() > 0.8
    assert kept[observations[:, 0] < -0.2].mean() < 0.2


def test_without_credits_it_is_the_algorithm_itself() -> None:
    """In RegTune-v0 nothing is a walker."""
    env = gym.make("RegTune-v0", dataset=tiny_data.splits(30), **TUNING)
    for name, kind in {"ppo": TimeBaselinePPO, "a2c": A2C}.items():
        assert type(agents.make(name, env, 0, {})) is kind


@pytest.mark.parametrize("name", ["a2c", "sac", "td3"])
def test_they_tune(name: str) -> None:
    env = gym.make("RegTune-v0", dataset=tiny_data.splits(30), **TUNING)
    agent: Any = agents.make(name, env, 0, {"learning_starts": 8} if name != "a2c" else {})
    before = {key: value.clone() for key, value in agent.policy.state_dict().items()}
    agent.learn(4 * 4)
    assert any(not np.array_equal(value, before[key]) for key, value in agent.policy.state_dict().items())
    action, _ = agent.predict(np.ones(2, np.float32), deterministic=True)
    assert env.action_space.contains(action)


@pytest.mark.parametrize(
    ("rollout", "batch"), [(6000, 64), (28_709, 64), (61, 61), (2, 2), (65, 63), (64 * 63 + 1, 62), (1, 1)]
)
def test_the_batch_is_64_and_no_batch_is_a_single_step(rollout: int, batch: int) -> None:
    assert batch_size_for(rollout) == batch
    assert rollout % batch != 1 or rollout == 1


@pytest.mark.parametrize("algorithm", [ppo, recurrent_ppo])
def test_a_walk_whose_length_is_a_prime_number(algorithm: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent = algorithm(ToyWalk(131), seed=0)
    assert agent.batch_size == 64
    steps = []
    step = agent.policy.optimizer.step
    agent.policy.optimizer.step = lambda *args: (steps.append(1), step(*args))
    agent.learn(131)
    assert len(steps) == 3 * agent.n_epochs * 12  # the walk, ten frozen ones before it and one after
    assert all(weight.isfinite().all() for weight in agent.policy.parameters())


def test_the_batch_counts_every_walker() -> None:
    walkers = make_vec_env(lambda: ToyWalk(40), n_envs=8)
    assert ppo(walkers).batch_size == 64
    assert ppo(make_vec_env(lambda: ToyWalk(30), n_envs=2)).batch_size == 60


class _StopAt(BaseCallback):
    """Stops a training at a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def _on_step(self) -> bool:
        return self.num_timesteps != self._step


@pytest.mark.parametrize("name", ["reinforce", "ppo", "a2c", "recurrent_ppo"])
@pytest.mark.parametrize("step", [7, 24])
def test_after_a_stop_within_a_walk_whole_walks_are_learnt_from(name: str, step: int) -> None:
    env = tiny_walks.walk()  # of 24 images
    settings = {"pretrain_episodes": 0, "refresh_episodes": 0} if name == "reinforce" else {}
    agent: Any = agents.make(name, env, 0, settings)
    agent.learn(48, callback=_StopAt(step))
    assert agent.num_timesteps == step
    rollouts = Paid()
    agent.learn(48, callback=rollouts, reset_num_timesteps=False)
    assert len(rollouts.rollouts) == 2
    for rollout, credits in zip(rollouts.rollouts, rollouts.credits, strict=True):
        np.testing.assert_array_equal(rollout.ravel(), credits)


TUNERS = {"best_random_schedule", "best_static", "bayes_static", "cosine", "curriculum", "greedy", "linear", "pbt"}
TUNERS |= {"knows_instance", "random_per_chunk", "replay", "sac", "static", "td3"}


@pytest.mark.parametrize("name", sorted({*agents.names()} - {"ppo", "a2c", "recurrent_ppo"}))
def test_an_environment_that_does_not_fit_is_one_line(name: str) -> None:
    walk, box = tiny_walks.walk(), gym.make("fer_gym:RegTune-v0", **TUNING)
    fits, does_not = (box, walk) if name in TUNERS else (walk, box)
    needed: dict[str, dict[str, Any]] = {"replay": {"schedule": [[0.1]] * 9}, "knows_instance": {"strengths": [0.1]}}
    settings = needed.get(name, {})
    agents.make(name, fits, 0, settings)
    with pytest.raises(UsageError, match=r"^env: .+(needs|is no|is for) .+$"):
        agents.make(name, does_not, 0, settings)


def test_policy_kwargs_are_added_to_those_of_the_agent() -> None:
    small = {"policy_kwargs": {"net_arch": [8]}}
    blind = ppo(ToyWalk(), blind=True, **small)
    observations = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    for weight in blind.policy.parameters():
        weight.data.normal_()
    assert np.ptp(blind.keep_probability(observations)) == 0
    assert recurrent_ppo(ToyWalk(), **small).policy.lstm_actor.hidden_size == 64
