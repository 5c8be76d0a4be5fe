"""The recurrent form of PPO's policy; importing this needs sb3-contrib."""

from __future__ import annotations

from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

from fer_gym_agents.ppo import BoxPolicy

__all__ = ["BoxLstmPolicy", "RecurrentPPO"]


class BoxLstmPolicy(BoxPolicy, RecurrentActorCriticPolicy):
    """`BoxPolicy` with an LSTM before the networks of actor and critic."""
