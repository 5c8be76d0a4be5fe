"""The recurrent forms of PPO; importing this needs sb3-contrib."""

from __future__ import annotations

import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import Distribution
from torch import Tensor

from fer_gym_agents.sb3.credit_algorithms import CreditAlgorithm
from fer_gym_agents.sb3.policies import BoxPolicy
from fer_gym_agents.sb3.time_baseline import TimeBaseline

__all__ = ["BoxLstmPolicy", "CreditRecurrentPPO", "RecurrentPPO", "TimeBaselineRecurrentPPO"]


class BoxLstmPolicy(BoxPolicy, RecurrentActorCriticPolicy):
    """`BoxPolicy` with an LSTM before the networks of actor and critic."""


class TimeBaselineRecurrentPPO(TimeBaseline, RecurrentPPO):
    """RecurrentPPO with the time for a baseline."""


class CreditRecurrentPPO(CreditAlgorithm, RecurrentPPO):
    """RecurrentPPO on credits."""

    def _distribution(self, observations: Tensor) -> Distribution:
        policy = self.policy
        assert isinstance(policy, RecurrentActorCriticPolicy)
        layers, _, width = policy.lstm_hidden_state_shape
        zeros = torch.zeros(layers, 1, width, device=observations.device)
        beginning = (zeros, zeros.clone())
        starts = torch.zeros(len(observations), device=observations.device)
        starts[0] = 1.0
        distribution, _ = policy.get_distribution(observations, beginning, starts)
        return distribution
