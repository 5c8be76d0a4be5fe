"""REINFORCE: the policy, what it learns from, frozen episodes, and Stable-Baselines3's interface."""

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tiny_data
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from toy_walk import BAD, GOOD, ToyWalk

import fer_gym  # noqa: F401  (registers)
from fer_gym.training import Trainer
from fer_gym_agents import Reinforce

N = 9
SPLITS = tiny_data.splits(N, held_out=6, side=8)


def image_select(**keywords: Any) -> gym.Env[Any, Any]:
    return gym.make(
        "ImageSelect-v0", dataset=SPLITS, **{"pretrain_epochs": 0, "batch_size": 4, "credit": "signed", **keywords}
    )


def quick(env: Any, **keywords: Any) -> Reinforce:
    settings = {"pretrain_episodes": 0, "refresh_episodes": 0, "learning_rate": 0.01, "seed": 0}
    return Reinforce(env, **{**settings, **keywords})


def keep_probabilities(model: Reinforce) -> tuple[float, float]:
    """Of a good and of a bad image."""
    good, bad = model.policy.keep_probability(np.stack([GOOD, BAD]))
    return float(good), float(bad)


def weights(model: Reinforce) -> list[torch.Tensor]:
    return [value.clone() for value in model.policy.state_dict().values()]


# -- the policy ------------------------------------------------------------------------------------------------------


def test_five_fully_connected_layers() -> None:
    policy = Reinforce(ToyWalk()).policy
    dense = [layer for layer in policy.modules() if isinstance(layer, nn.Linear)]
    assert len(dense) == 5
    assert dense[0].in_features == 4
    assert dense[-1].out_features == 1
    assert sum(isinstance(layer, nn.ReLU) for layer in policy.modules()) == 4
    assert policy.keep_probability(np.random.default_rng(0).normal(size=(6, 4))).tolist() == [0.5] * 6


def test_probabilities_agree_with_each_other() -> None:
    model = quick(ToyWalk())
    nn.init.normal_(model.policy.last.weight, std=3.0)
    observations = torch.randn(2000, 4)[:1].expand(2000, 4)
    keep = float(model.policy.keep_probability(observations[:1].numpy())[0])
    assert 0.05 < keep < 0.95
    assert abs(keep - 0.5) > 0.02
    actions, values, log_probabilities = model.policy(observations)
    assert abs(actions.float().mean().item() - keep) < 0.05
    assert not values.any()
    expected = torch.where(actions == 1, math.log(keep), math.log(1 - keep))
    assert torch.allclose(log_probabilities, expected, atol=1e-5)
    again, entropies = model.policy.evaluate_actions(observations, actions[:, None])
    assert torch.allclose(again, expected, atol=1e-5)
    entropy = -keep * math.log(keep) - (1 - keep) * math.log(1 - keep)
    assert torch.allclose(entropies, torch.tensor(entropy), atol=1e-5)


def test_the_walker_acts_by_the_probabilities() -> None:
    model = quick(ToyWalk())
    nn.init.normal_(model.policy.last.weight, std=3.0)
    observations = torch.randn(500, 4).numpy()
    torch.manual_seed(0)
    actions = model.policy.sampler()(observations)
    torch.manual_seed(0)
    expected = torch.rand(500).numpy() < model.policy.keep_probability(observations)
    assert 0.1 < expected.mean() < 0.9
    assert actions.dtype == np.int64
    np.testing.assert_array_equal(actions, expected)
    # One at a time draws the same.
    torch.manual_seed(0)
    walker = model.policy.sampler()
    assert [int(walker(row[None])[0]) for row in observations] == actions.tolist()


def test_features_that_grow_mean_the_same() -> None:
    model = quick(ToyWalk())
    nn.init.normal_(model.policy.last.weight)
    one = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    probabilities = model.policy.keep_probability(one)
    assert np.ptp(probabilities) > 0.01
    np.testing.assert_allclose(model.policy.keep_probability(10 * one), probabilities, atol=1e-3)


def test_prediction() -> None:
    model = quick(ToyWalk())
    single, state = model.predict(GOOD)
    assert single.shape == ()
    assert state is None
    batch = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    nn.init.normal_(model.policy.last.weight)
    with torch.no_grad():
        model.policy.last.bias -= model.policy.logits(torch.from_numpy(batch)).median() + 1e-4
    expected = model.policy.keep_probability(batch) > 0.5
    assert 0 < expected.sum() < 50
    actions, _ = model.predict(batch, deterministic=True)
    assert actions.tolist() == expected.astype(int).tolist()


# -- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["natural", "vanilla"])
def test_it_learns_which_images_are_good(gradient: str) -> None:
    model = quick(ToyWalk(64), gradient=gradient, ent_coef=0.025)
    model.learn(64 * 30)
    good, bad = keep_probabilities(model)
    assert good > 0.9
    assert bad < 0.2


@pytest.mark.parametrize("worth", [0.02, 0.05])
def test_the_best_policy_is_the_one_documented(worth: float) -> None:
    # With signed credits "natural" ends at log-odds of R / ent_coef.
    model = quick(ToyWalk(64, worth=worth), ent_coef=0.05)
    model.learn(64 * 40)
    good, bad = keep_probabilities(model)
    assert math.log(good / (1 - good)) == pytest.approx(worth / 0.05, abs=0.15)
    assert math.log(bad / (1 - bad)) == pytest.approx(-worth / 0.05, abs=0.15)


@pytest.mark.parametrize("gradient", ["natural", "vanilla"])
def test_the_gradient_is_the_one_documented(gradient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass in one batch, from log-odds of 0.7 everywhere: the gradient in the last layer's bias."""
    model = quick(ToyWalk(16), gradient=gradient, n_epochs=1, batch_size=16, ent_coef=0.3, max_grad_norm=1e9)
    bias = model.policy.last.bias
    nn.init.constant_(bias, 0.7)
    ascents = []
    monkeypatch.setattr(model.policy.optimizer, "step", lambda: ascents.append(-bias.grad.item()))
    model.learn(16)
    buffer = model.rollout_buffer
    credits = buffer.returns.flatten().astype(float)
    signs = 2 * buffer.actions.flatten().astype(float) - 1
    assert set(signs) == {-1.0, 1.0}
    keep = 1 / (1 + math.exp(-0.7))
    if gradient == "natural":
        expected = credits * signs - 0.3 * 0.7
    else:
        of_log_probability = np.where(signs > 0, 1 - keep, -keep)
        expected = credits * of_log_probability - 0.3 * 0.7 * keep * (1 - keep)
    assert ascents == [pytest.approx(expected.mean(), rel=1e-4)]


def test_it_learns_from_whole_episodes() -> None:
    model = quick(DummyVecEnv([lambda: ToyWalk(2, worth=1.0)] * 32), credit="episode")
    model.learn(64 * 40)
    good, bad = keep_probabilities(model)
    assert good > 0.9
    assert bad < 0.2


def test_the_credit_of_a_step_is_the_episodes_return() -> None:
    class Inspect(BaseCallback):
        rollouts = 0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            buffer = self.model.rollout_buffer
            total = buffer.rewards.sum()
            assert total
            np.testing.assert_allclose(buffer.returns[:, 0], np.full(4, total), rtol=1e-5)
            self.rollouts += 1

    inspect = Inspect()
    quick(ToyWalk(4), credit="episode").learn(8, callback=inspect)
    assert inspect.rollouts == 2


def test_one_seed_one_policy() -> None:
    models = [quick(image_select(), seed=seed, pretrain_episodes=1).learn(3 * N) for seed in (3, 3, 4)]
    one, other, another = map(weights, models)
    assert all(map(torch.equal, one, other))
    assert not all(map(torch.equal, one, another))


# -- frozen episodes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environments", [1, 2])
def test_frozen_episodes_are_not_counted(environments: int) -> None:
    """Neither in the time steps nor as trainings of the network."""
    env = DummyVecEnv([lambda: ToyWalk(8)] * environments)
    model = quick(env, pretrain_episodes=3, refresh_episodes=2)
    model.learn(2 * 8 * environments)
    assert model.num_timesteps == 2 * 8 * environments
    for walk in env.envs:
        assert walk.episodes == 2
        assert walk.frozen_episodes == 3 + 2 * 2


@pytest.mark.parametrize("carry_over", [True, False])
def test_pretraining_the_policy_leaves_the_network(carry_over: bool) -> None:
    env, other = (image_select(carry_over=carry_over, pretrain_epochs=1) for _ in range(2))
    model = quick(env, pretrain_episodes=2, seed=5)
    before = weights(model)
    model.learn(0)
    assert model.num_timesteps == 0
    other.reset(seed=5)
    ours, theirs = (each.unwrapped.state_dict()["network"]["trainer"]["network"] for each in (env, other))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not all(map(torch.equal, before, weights(model)))  # but the policy has learnt


def test_each_episode_trains_the_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(Trainer, "train_epochs", lambda self, subset, epochs: calls.append(len(subset)))
    model = quick(image_select(), pretrain_episodes=2, refresh_episodes=1)
    model.learn(0)
    calls.clear()
    model.learn(4 * N, reset_num_timesteps=False)
    assert len(calls) == 4
    assert all(0 < count <= N for count in calls)


# -- Stable-Baselines3's interface -----------------------------------------------------------------------------------


@pytest.mark.parametrize("with_env", [True, False])
def test_saving(with_env: bool, tmp_path: Path) -> None:
    model = quick(ToyWalk(), gradient="vanilla", refresh_episodes=1).learn(16 * 4)
    model.save(tmp_path / "model")
    loaded = Reinforce.load(tmp_path / "model", env=ToyWalk() if with_env else None)
    observations = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    assert np.array_equal(loaded.policy.keep_probability(observations), model.policy.keep_probability(observations))
    assert np.array_equal(*(each.predict(observations, deterministic=True)[0] for each in (loaded, model)))
    assert (loaded.gradient, loaded.credit, loaded.n_steps, loaded.num_timesteps) == ("vanilla", "sample", 16, 64)
    if with_env:
        before = weights(loaded)
        loaded.learn(16, reset_num_timesteps=False)
        assert loaded.num_timesteps == 80
        assert not all(map(torch.equal, before, weights(loaded)))


@pytest.mark.parametrize("by", ["load", "set_env"])
@pytest.mark.parametrize("images", [8, 40])
def test_it_goes_on_with_more_or_fewer_images(by: str, images: int, tmp_path: Path) -> None:
    model = quick(ToyWalk(16)).learn(32)
    longer = ToyWalk(images)
    if by == "load":
        model.save(tmp_path / "model")
        model = Reinforce.load(tmp_path / "model", env=longer)
    else:
        model.set_env(longer)
    assert model.n_steps == model.rollout_buffer.buffer_size == images
    model.learn(3 * images)
    assert longer.episodes == 3
    with pytest.raises(ValueError, match=rf"^n_steps: 16 is not allowed; use None or {images}"):
        quick(longer, n_steps=16)


def test_evaluation() -> None:
    model = quick(ToyWalk(64)).learn(64 * 30)
    env = ToyWalk(64, worth=1.0)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=3, warn=False)
    assert mean > 20  # about 32 of 64 are good, and each is worth 1


@pytest.mark.parametrize("kind", ["none", "function", "list", "object"])
def test_callbacks_of_every_form(kind: str) -> None:
    seen = []

    class Note(BaseCallback):
        def _on_step(self) -> bool:
            seen.append(self.num_timesteps)
            return True

    def function(locals_: dict[str, Any], _: dict[str, Any]) -> bool:
        seen.append(locals_["self"].num_timesteps)
        return True

    callback: Any = {"none": None, "function": function, "list": [Note()], "object": Note()}[kind]
    quick(ToyWalk(), pretrain_episodes=1).learn(32, callback=callback)
    assert seen == ([] if kind == "none" else list(range(1, 33)))  # frozen steps are not shown


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    quick(ToyWalk(), refresh_episodes=1).learn(48, progress_bar=True)
    assert "48/48" in capsys.readouterr().out.replace(" ", "")


def test_what_it_logs(capsys: pytest.CaptureFixture[str]) -> None:
    quick(ToyWalk(), verbose=1).learn(32)
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("keep_ratio", "mean_credit", "entropy", "learning_rate"))


def test_tensorboard(tmp_path: Path) -> None:
    quick(ToyWalk(), tensorboard_log=str(tmp_path)).learn(32)
    (folder,) = tmp_path.iterdir()
    assert folder.name == "REINFORCE_1"
    events = EventAccumulator(str(folder)).Reload()
    # As every algorithm of Stable-Baselines3, it writes what it learnt after the next rollout.
    assert [event.step for event in events.Scalars("rollout/keep_ratio")] == [32]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"credit": "all"}, r"^credit: 'all' .*'sample', 'episode'"),
        ({"gradient": "steep"}, r"^gradient: 'steep' .*'natural', 'vanilla'"),
        ({"n_steps": 24}, r"^n_steps: 24 .*16"),
        ({"n_steps": 8, "credit": "episode"}, r"^n_steps: 8 .*16"),
    ],
)
def test_bad_keywords(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(ToyWalk(16), **keywords)


def test_an_environment_of_unknown_length() -> None:
    env = gym.wrappers.TimeLimit(gym.make("CartPole-v1").unwrapped, 10)
    with pytest.raises(ValueError, match=r"^n_steps: .*num_images"):
        quick(env)
    assert quick(env, n_steps=20, credit="episode").n_steps == 20


def test_another_action_space() -> None:
    class Three(ToyWalk):
        action_space = gym.spaces.Discrete(3)

    with pytest.raises(ValueError, match=r"Discrete\(2\)"):
        quick(Three())
    with pytest.raises(ValueError, match=r"^env: its actions are Box.*Discrete\(2\)"):
        Reinforce(gym.make("Pendulum-v1"))
