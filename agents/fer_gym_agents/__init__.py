"""Reference agents. Every Stable-Baselines3 algorithm is an agent too."""

from fer_gym_agents.baselines import KeepAll, RandomKeep
from fer_gym_agents.credit import SampleCredits
from fer_gym_agents.reinforce import Reinforce, SelectorPolicy

__all__ = ["KeepAll", "RandomKeep", "Reinforce", "SampleCredits", "SelectorPolicy"]
