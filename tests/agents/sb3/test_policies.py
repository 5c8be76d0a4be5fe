"""What the policies see of an observation."""

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import nn

from fer_gym_agents import SelectorPolicy
from fer_gym_agents.sb3.policies import PerClass


def space(features: int, classes: int = 0) -> Box:
    low = np.array([-100] * features + [0] * classes, np.float32)
    return Box(low, np.array([100] * features + [1] * classes, np.float32))


def identity(box: Box, width: int) -> PerClass:
    """A `PerClass` whose only layer leaves non-negative features as they are."""
    extractor = PerClass(box, hidden=(width,))
    nn.init.eye_(extractor.layers[0].weight)
    nn.init.zeros_(extractor.layers[0].bias)
    return extractor


def test_features_get_mean_0_and_variance_1_and_stand_where_the_label_says():
    seen = identity(space(4, classes=3), 4)(torch.tensor([[1.0, 3, 1, 3, 0, 1, 0], [0, 0, 0, 20, 1, 0, 0]]))
    assert seen.shape == (2, 15)
    by_class = seen.reshape(2, 5, 3)
    # ReLU takes the negative ones.
    torch.testing.assert_close(by_class[0, :, 1], torch.tensor([0.0, 1, 0, 1, 1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(by_class[1, :, 0], torch.tensor([0.0, 0, 0, 3**0.5, 1]), atol=1e-4, rtol=0)
    assert not by_class[0][:, [0, 2]].any()
    assert not by_class[1][:, [1, 2]].any()


def test_without_a_label_all_is_normalised():
    for box in (space(4), Box(0.0, 1.0, (4,), np.float32), Box(0.0, 1.0, (2, 2), np.float32)):
        seen = identity(box, 4)(torch.tensor([[0.0, 1, 0, 1]]).reshape(1, *box.shape))
        torch.testing.assert_close(seen, torch.tensor([[0.0, 1, 0, 1, 1]]), atol=1e-4, rtol=0)


def test_a_walker_sees_what_the_policy_learns_from():
    policy = SelectorPolicy(space(4, classes=3), Discrete(2), lambda _: 1e-3)
    torch.manual_seed(0)
    nn.init.normal_(policy.last.weight, std=1.0)
    observations = np.random.default_rng(0).normal(0, 5, (300, 7)).astype(np.float32)
    observations[:, 4:] = np.eye(3)[np.arange(300) % 3]
    before = observations.copy()
    torch.manual_seed(0)
    actions = policy.sampler()(observations)
    np.testing.assert_array_equal(observations, before)
    torch.manual_seed(0)
    np.testing.assert_array_equal(actions, torch.rand(300).numpy() < policy.keep_probability(observations))
    assert 0.1 < actions.mean() < 0.9
