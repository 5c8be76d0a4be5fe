"""Gymnasium's vector environments in Stable-Baselines3: its own semantics, and what agents learn there."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from gymnasium.vector import SyncVectorEnv
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor
from torch import nn
from toy_walk import ToyWalk

import fer_gym  # noqa: F401  (registers)
from fer_gym_agents import GymnasiumVecEnv, Reinforce, SampleCredits, a2c, dqn, ppo, recurrent_ppo, sac, td3

N = 10
SPLITS = tiny_data.splits(N, held_out=6, side=8)
SMALL: dict[str, Any] = {
    "dataset": SPLITS,
    "pretrain_epochs": 0,
    "batch_size": 4,
    "credit": "signed",
    "precision": "fp32",
}


def walkers(count: int = 3, **keywords: Any) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gym.make_vec("ImageSelect-v0", num_envs=count, **{**SMALL, **keywords}))


def one_walker() -> gym.Env[Any, Any]:
    return gym.make("ImageSelect-v0", **SMALL)


def weights(model: Any) -> list[torch.Tensor]:
    return [value.clone() for value in model.policy.state_dict().values()]


def same(some: Any, other: Any) -> bool:
    if isinstance(some, dict):
        return some.keys() == other.keys() and all(same(some[key], other[key]) for key in some)
    if isinstance(some, list | tuple):
        return len(some) == len(other) and all(map(same, some, other))
    return bool(np.array_equal(some, other))


# -- Stable-Baselines3's semantics -----------------------------------------------------------------------------------


class Ending(ToyWalk):
    """Its info has no array: Gymnasium's vector environments want arrays of one shape, and walks differ in length."""

    def step(self, action: np.int64) -> Any:
        *step, info = super().step(action)
        return *step, {"steps": len(self._actions), "more": {"half": 0.5}} if info else {}


class Truncated(Ending):
    """Ends by truncation, and says so."""

    def step(self, action: np.int64) -> Any:
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, False, terminated, info


@pytest.mark.parametrize("kind", [Ending, Truncated])
@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_it_does_what_their_own_vector_environment_does(kind: type[ToyWalk], mode: str) -> None:
    """With environments that end at different times."""
    makers = [lambda length=length: kind(length) for length in (3, 5, 5)]
    ours, theirs = GymnasiumVecEnv(SyncVectorEnv(makers, autoreset_mode=mode)), DummyVecEnv(makers)
    assert (ours.num_envs, ours.observation_space, ours.action_space) == (
        theirs.num_envs,
        theirs.observation_space,
        theirs.action_space,
    )
    assert ours.seed(4) == theirs.seed(4)
    assert same(ours.reset(), theirs.reset())
    ended = 0
    for actions in np.random.default_rng(0).integers(2, size=(17, 3)):
        ours.step_async(actions)
        our_step, their_step = ours.step_wait(), theirs.step(actions)
        for i, (info, expected) in enumerate(zip(our_step[3], their_step[3], strict=True)):
            ended += our_step[2][i]
            assert expected["TimeLimit.truncated"] == info.setdefault("TimeLimit.truncated", False)
        assert [part.dtype for part in our_step[:3]] == [part.dtype for part in their_step[:3]]
        assert same(our_step, their_step)
    assert ended == 5 + 3 + 3
    assert ours.get_attr("num_images") == theirs.get_attr("num_images") == [3, 5, 5]
    assert ours.get_attr("num_images", 1) == [5]
    assert ours.has_attr("worth")
    assert not ours.has_attr("no_such_thing")
    ours.set_attr("worth", 3.0)
    assert ours.get_attr("worth", [0, 2]) == [3.0, 3.0]
    assert ours.env_method("get_wrapper_attr", "worth") == [3.0] * 3
    assert ours.env_is_wrapped(gym.wrappers.TimeLimit) == [False] * 3
    with pytest.raises(ValueError, match=r"^indices: \[1\] "):
        ours.set_attr("worth", 4.0, [1])
    ours.close()


def test_one_walker_is_the_scalar_environment() -> None:
    ours, theirs = walkers(1), DummyVecEnv([one_walker])
    for env in (ours, theirs):
        env.seed(3)
        env.set_options({"freeze": True})
    assert same(ours.reset(), theirs.reset())
    for actions in np.random.default_rng(0).integers(2, size=(3 * N, 1)):
        observations, rewards, dones, infos = ours.step(actions)
        *expected, expected_infos = theirs.step(actions)
        assert same((observations, rewards, dones), expected)
        if dones[0]:
            assert infos[0].pop("valid").all()
            assert same(infos, expected_infos)


def test_the_end_of_an_episode() -> None:
    env = walkers()
    env.seed(0)
    env.reset()
    for step in range(4):
        observations, rewards, dones, infos = env.step(np.ones(3, int))
        assert dones.tolist() == [step == 3] * 3
        if step < 3:
            assert infos == [{}] * 3
    assert rewards.dtype == np.float32
    assert not observations[:, 128:].any()  # the next episode's first
    for info in infos:
        assert info["terminal_observation"].shape == (256,)
        assert info["terminal_observation"][128:].any()
        assert info["TimeLimit.truncated"] is False
        assert info["sample_credits"].shape == (4,)
        assert info["validation"].keys() == env.env_method("evaluate", "val")[0].keys()
    assert [int(info["valid"].sum()) for info in infos] == env.get_attr("num_images") == [4, 3, 3]


def test_options_last_one_episode() -> None:
    env = walkers()
    before = None
    for options in ({"freeze": True}, None):
        env.set_options(options)
        env.reset()
        before = before or env.env.unwrapped.state_dict()["network"]["validation"]
        assert env.env.unwrapped.state_dict()["frozen"] is bool(options)
    for _ in range(4):
        env.step(np.ones(3, int))
    assert not env.env.unwrapped.state_dict()["frozen"]
    env.set_options([{"freeze": True}, {}, {}])
    with pytest.raises(ValueError, match=r"^set_options: "):
        env.reset()


def test_an_environment_that_resets_by_itself() -> None:
    with pytest.raises(ValueError, match=r"^env: autoreset_mode 'SameStep'"):
        walkers(autoreset_mode="SameStep")


def test_frames() -> None:
    env = walkers(4, render_mode="rgb_array")
    env.reset()
    assert env.render().shape == (720, 1280, 3)
    assert walkers().get_images() == [None] * 3


def test_their_monitor_and_evaluation() -> None:
    env = VecMonitor(walkers())
    model = PPO("MlpPolicy", env, n_steps=4, batch_size=12, gamma=0.0, gae_lambda=0.0, seed=0, device="cpu")
    model.learn(24, callback=SampleCredits())
    assert [episode["l"] for episode in model.ep_info_buffer] == [4] * 6
    returns, lengths = evaluate_policy(model, env, n_eval_episodes=3, return_episode_rewards=True)
    assert lengths == [4, 4, 4]
    assert all(np.isfinite(returns))


# -- learning --------------------------------------------------------------------------------------------------------


class Inspect(BaseCallback):
    """Compares the rollout buffer with the infos."""

    def _on_training_start(self) -> None:
        self.rollouts = 0
        self.infos: list[dict[str, Any]] = []

    def _on_step(self) -> bool:
        self.infos += [info for info in self.locals["infos"] if "sample_credits" in info]
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        assert len(self.infos) == buffer.n_envs
        expected = np.stack([info["sample_credits"] for info in self.infos], axis=1)
        assert np.array_equal(buffer.rewards, expected)
        assert np.array_equal(buffer.advantages, expected - buffer.values)
        valid = np.stack([info["valid"] for info in self.infos], axis=1)
        assert expected[valid].all()
        assert not expected[~valid].any()
        self.infos = []
        self.rollouts += 1


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("name", ["PPO", "A2C", "Reinforce"])
def test_credits_reach_the_rollout_buffer(name: str, count: int) -> None:
    env = walkers(count)
    steps = -(-N // count)
    if name == "Reinforce":
        model: Any = Reinforce(env, pretrain_episodes=1, seed=0)
        assert model.n_steps == steps
    else:
        kind = {"PPO": PPO, "A2C": A2C}[name]
        more: dict[str, Any] = {"batch_size": steps * count, "n_epochs": 1} if kind is PPO else {}
        model = kind("MlpPolicy", env, n_steps=steps, gamma=0.0, gae_lambda=0.0, seed=0, device="cpu", **more)
    inspect = Inspect()
    model.learn(2 * steps * count, callback=[SampleCredits(), inspect])
    assert inspect.rollouts == 2
    assert model.num_timesteps == 2 * steps * count


@pytest.mark.parametrize("gradient", ["natural", "vanilla"])
def test_reinforce_on_one_walker_is_reinforce_on_the_scalar_environment(gradient: str) -> None:
    settings: dict[str, Any] = {"gradient": gradient, "pretrain_episodes": 2, "learning_rate": 0.01, "seed": 3}
    ours, theirs = (Reinforce(env, **settings).learn(3 * N) for env in (walkers(1), one_walker()))
    assert all(map(torch.equal, weights(ours), weights(theirs)))
    assert not all(map(torch.equal, weights(ours), weights(Reinforce(walkers(1), **settings))))


@pytest.mark.parametrize("gradient", ["natural", "vanilla"])
def test_reinforce_does_not_learn_from_idle_steps(gradient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass in one batch, from log-odds of 0.7 everywhere: the gradient in the last layer's bias."""
    model = Reinforce(
        walkers(), gradient=gradient, pretrain_episodes=0, refresh_episodes=0, n_epochs=1, batch_size=100, ent_coef=0.3,
        max_grad_norm=1e9, seed=0,
    )  # fmt: skip
    bias = model.policy.last.bias
    nn.init.constant_(bias, 0.7)
    ascents = []
    monkeypatch.setattr(model.policy.optimizer, "step", lambda: ascents.append(-bias.grad.item()))
    model.learn(12)
    buffer = model.rollout_buffer
    credits, signs = buffer.returns.flatten()[:N].astype(float), 2 * buffer.actions.flatten()[:N].astype(float) - 1
    assert not buffer.returns.flatten()[N:].any()
    keep = 1 / (1 + np.exp(-0.7))
    if gradient == "natural":
        expected = credits * signs - 0.3 * 0.7
    else:
        expected = credits * np.where(signs > 0, 1 - keep, -keep) - 0.3 * 0.7 * keep * (1 - keep)
    assert ascents == [pytest.approx(expected.mean(), rel=1e-4)]
    assert model.logger.name_to_value["rollout/keep_ratio"] == pytest.approx((signs > 0).mean())
    assert model.logger.name_to_value["rollout/mean_credit"] == pytest.approx(credits.mean(), abs=1e-6)


@pytest.mark.parametrize("environments", [1, 3])
def test_frozen_episodes_are_not_counted(environments: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_gym.training import Trainer

    calls = []
    monkeypatch.setattr(Trainer, "train_epochs", lambda self, subset, epochs: calls.append(len(subset)))
    model = Reinforce(walkers(environments), pretrain_episodes=2, refresh_episodes=1, seed=0)
    model.learn(2 * model.n_steps * environments)
    assert model.num_timesteps == 2 * model.n_steps * environments
    assert len(calls) == 2 + 1  # an epoch that pretrains nothing, and two episodes


def by_class(walk: Any) -> np.ndarray:
    """Images of the first class are worth retaining, the others are not."""
    return np.where(walk.labels == 0, 1.0, -1.0)


@pytest.mark.parametrize("name", ["PPO", "Reinforce"])
def test_agents_learn_on_it(name: str) -> None:
    splits = tiny_data.splits(62, held_out=6, side=8)
    keywords = {"dataset": splits, "reward": by_class, "observe_label": True, "epochs_per_episode": 0}
    env = walkers(4, **keywords)  # 16, 16, 15 and 15 images
    if name == "PPO":
        model: Any = PPO(
            "MlpPolicy", env, n_steps=16, batch_size=64, learning_rate=0.01, gamma=0.0, gae_lambda=0.0, seed=0,
            device="cpu",
        )  # fmt: skip
    else:
        model = Reinforce(env, pretrain_episodes=0, refresh_episodes=0, learning_rate=0.01, seed=0)
    model.learn(64 * 25, callback=SampleCredits())
    observations = env.reset()
    for _ in range(16):
        observations, _, _, infos = env.step(model.predict(observations, deterministic=True)[0])
    valid = np.stack([info["valid"] for info in infos])
    labels = splits.train.labels[np.stack([info["sample_index"] for info in infos])]
    retained = np.stack([info["retained"] for info in infos])
    assert (retained == (labels == 0))[valid].mean() > 0.95


CHILDREN: dict[str, Any] = {"dataset": SPLITS, "batch_size": 4, "chunk_size": 3, "val_batches": 2, "chunks": 2}


@pytest.mark.parametrize(("algorithm", "steps"), [(ppo, 8), (recurrent_ppo, 8), (a2c, 4), (sac, 8), (td3, 8)])
def test_algorithms_on_several_children(algorithm: Any, steps: int) -> None:
    env = VecMonitor(GymnasiumVecEnv(gym.make_vec("RegTune-v0", num_envs=2, **CHILDREN)))
    model = algorithm(env, seed=0).learn(steps)
    assert [episode["l"] for episode in model.ep_info_buffer] == [2] * (steps // 2)


@pytest.mark.parametrize("algorithm", [ppo, recurrent_ppo, a2c])
def test_algorithms_on_several_walkers(algorithm: Any) -> None:
    env = VecMonitor(walkers(2))
    model = algorithm(env, seed=0).learn(N)
    assert [episode["l"] for episode in model.ep_info_buffer] == [N // 2] * 2


@pytest.mark.parametrize("algorithm", [a2c, sac, td3, dqn])
def test_an_environment_of_another_kind(algorithm: Any) -> None:
    with pytest.raises(ValueError, match=r"^env: .*(needs Discrete\(2\)|here is for RegTune-v0)"):
        algorithm(gym.make("Pendulum-v1"))
