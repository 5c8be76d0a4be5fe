"""Variants of REINFORCE: without the running mean, and with one layer."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from tiny_walks import walk
from torch import nn
from toy_walk import ToyWalk

from fer_gym_agents import FeaturePolicy, Reinforce, bandit, sigmoid_selector


def _scrambled(policy: nn.Module) -> None:
    """Weights that tell every input apart; a fresh policy says 1/2 of all."""
    with torch.no_grad():
        for weight in policy.parameters():
            weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("observe_label", [False, True])
def test_the_bandit_sees_all_but_the_mean(observe_label: bool, tmp_path: Path) -> None:
    env = walk(observe_label=observe_label)
    agent = bandit(env, seed=0, pretrain_episodes=0, policy_kwargs={"hidden": (8,)})
    assert isinstance(agent.policy, FeaturePolicy)
    _scrambled(agent.policy)
    # Layer normalisation takes a constant away, so the numbers differ among themselves.
    observation = np.linspace(-1, 1, env.observation_space.shape[0], dtype=np.float32)
    changed = np.repeat(observation[None], 3, axis=0)
    changed[1, 128:256] += np.linspace(0, 1, 128)
    changed[2, -1] += 1  # in the mean as well, where no label follows
    seen = agent.policy.keep_probability(changed)
    assert seen[1] == pytest.approx(seen[0], rel=1e-5)
    assert (seen[2] != pytest.approx(seen[0], rel=1e-3)) == observe_label
    kept = changed.copy()
    agent.policy.sampler()(changed)
    assert np.array_equal(changed, kept)  # whoever reads the observations next finds them whole
    agent.save(tmp_path / "agent")
    loaded = Reinforce.load(tmp_path / "agent", env=env)
    assert np.array_equal(loaded.policy.keep_probability(changed), seen)


def test_the_bandits_walk_is_drawn_from_its_policy() -> None:
    agent = bandit(walk(), seed=0)
    _scrambled(agent.policy)
    observations = np.random.default_rng(0).normal(size=(4000, 256)).astype(np.float32)
    kept = agent.policy.sampler()(observations).mean()
    assert kept == pytest.approx(agent.policy.keep_probability(observations).mean(), abs=0.03)


def test_the_bandit_learns() -> None:
    env = walk(baseline="marginal", retain_cost=0.1, credit="signed")
    agent = bandit(env, seed=0, pretrain_episodes=1).learn(24)
    assert agent.num_timesteps == 24
    with pytest.raises(ValueError, match=r"^env: ToyWalk is no ImageSelect-v0"):
        bandit(ToyWalk())


def test_the_sigmoid_selector_has_one_layer() -> None:
    env = walk(reward="log_likelihood")
    agent = sigmoid_selector(env, seed=0, pretrain_episodes=2)
    layers = [module for module in agent.policy.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(256, 1)]
    assert (agent.credit, agent.gradient, agent.ent_coef) == ("episode", "vanilla", 0.0)
    before = layers[0].weight.clone()
    agent.learn(24)
    assert not torch.equal(layers[0].weight, before)
    deeper = sigmoid_selector(env, policy_kwargs={"hidden": (4,)}, ent_coef=0.1)
    assert deeper.ent_coef == 0.1


class PaidAlike(gym.Env[np.ndarray, np.int64]):
    """A walk of 200 images that is paid the same whatever was kept. Half of an observation is what they share."""

    observation_space = Box(-np.inf, np.inf, (256,), np.float32)
    action_space = Discrete(2)
    num_images = 200

    def __init__(self, paid: float) -> None:
        self.paid = paid
        self.images = np.random.default_rng(0).normal(size=(201, 256)).astype(np.float32)
        self.images[:, 128:] = self.images[0, 128:]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.steps = 0
        return self.images[0], {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        ends = self.steps == self.num_images
        return self.images[self.steps], self.paid * ends, ends, False, {}


# Several gradient steps on a walk would decide it.
@pytest.mark.parametrize(("settings", "decided"), [({}, False), ({"n_epochs": 2, "batch_size": 16}, True)])
def test_a_return_that_tells_nothing_leaves_the_selector_undecided(settings: dict[str, int], decided: bool) -> None:
    env = PaidAlike(-1.5)
    agent = sigmoid_selector(env, seed=0, pretrain_episodes=0, refresh_episodes=0, **settings)
    kept = agent.learn(20 * env.num_images).policy.keep_probability(env.images).mean()
    assert (abs(kept - 0.5) > 0.45) == decided
