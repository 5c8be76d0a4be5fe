"""Reference agents. Every Stable-Baselines3 algorithm is an agent too."""

from importlib.util import find_spec

if find_spec("stable_baselines3") is None:
    raise ModuleNotFoundError(
        "fer_gym_agents needs stable_baselines3: pip install 'fer-gym[agents]'", name="stable_baselines3"
    )

from fer_gym_agents.agreement import Agreement
from fer_gym_agents.baselines import ImageVariance, KeepAll, Oracle, RandomKeep
from fer_gym_agents.branching import Greedy, PopulationBasedTraining
from fer_gym_agents.clock import Clocked, ClockedPPO
from fer_gym_agents.confidence import Cleanlab, Entropy, SelfConfidence
from fer_gym_agents.credit import SampleCredits
from fer_gym_agents.dvrl import Dvrl
from fer_gym_agents.margins import AreaUnderMargin
from fer_gym_agents.others import a2c, dqn, sac, td3
from fer_gym_agents.ppo import BoxPolicy, Symlog, ppo, recurrent_ppo
from fer_gym_agents.reinforce import Reinforce, SelectorPolicy
from fer_gym_agents.schedules import Cosine, Curriculum, Linear, RandomPerChunk, Replay, Schedule, Static
from fer_gym_agents.scored import ScoredSelection
from fer_gym_agents.search import BayesStatic, BestRandomSchedule, BestStatic, Search
from fer_gym_agents.selectors import FeaturePolicy, bandit, sigmoid_selector
from fer_gym_agents.shapley import KnnShapley
from fer_gym_agents.vec_env import GymnasiumVecEnv
from fer_gym_agents.walkers import Walker, WalkerA2C, WalkerPPO

__all__ = [
    "Agreement",
    "AreaUnderMargin",
    "BayesStatic",
    "BestRandomSchedule",
    "BestStatic",
    "BoxPolicy",
    "Cleanlab",
    "Clocked",
    "ClockedPPO",
    "Cosine",
    "Curriculum",
    "Dvrl",
    "Entropy",
    "FeaturePolicy",
    "Greedy",
    "GymnasiumVecEnv",
    "ImageVariance",
    "KeepAll",
    "KnnShapley",
    "Linear",
    "Oracle",
    "PopulationBasedTraining",
    "RandomKeep",
    "RandomPerChunk",
    "Reinforce",
    "Replay",
    "SampleCredits",
    "Schedule",
    "ScoredSelection",
    "Search",
    "SelectorPolicy",
    "SelfConfidence",
    "Static",
    "Symlog",
    "Walker",
    "WalkerA2C",
    "WalkerPPO",
    "a2c",
    "bandit",
    "dqn",
    "ppo",
    "recurrent_ppo",
    "sac",
    "sigmoid_selector",
    "td3",
]
