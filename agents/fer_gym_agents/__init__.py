"""Reference agents. Every Stable-Baselines3 algorithm is an agent too."""

from fer_gym_agents.baselines import KeepAll, RandomKeep
from fer_gym_agents.credit import SampleCredits
from fer_gym_agents.ppo import BoxPolicy, Symlog, ppo, recurrent_ppo
from fer_gym_agents.reinforce import Reinforce, SelectorPolicy
from fer_gym_agents.schedules import Cosine, Linear, RandomPerChunk, Replay, Static
from fer_gym_agents.search import BestStatic

__all__ = [
    "BestStatic",
    "BoxPolicy",
    "Cosine",
    "KeepAll",
    "Linear",
    "RandomKeep",
    "RandomPerChunk",
    "Reinforce",
    "Replay",
    "SampleCredits",
    "SelectorPolicy",
    "Static",
    "Symlog",
    "ppo",
    "recurrent_ppo",
]
