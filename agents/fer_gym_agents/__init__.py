"""Reference agents. Every Stable-Baselines3 algorithm is an agent too."""

from importlib.util import find_spec

if find_spec("stable_baselines3") is None:
    raise ModuleNotFoundError(
        "fer_gym_agents needs stable_baselines3: pip install 'fer-gym[agents]'", name="stable_baselines3"
    )

from fer_gym_agents.sb3.algorithms import a2c, dqn, sac, td3
from fer_gym_agents.sb3.credit import SampleCredits
from fer_gym_agents.sb3.credit_algorithms import CreditA2C, CreditAlgorithm, CreditPPO
from fer_gym_agents.sb3.credit_dqn import CreditDQN
from fer_gym_agents.sb3.policies import BoxPolicy, Symlog
from fer_gym_agents.sb3.ppo import ppo, recurrent_ppo
from fer_gym_agents.sb3.time_baseline import TimeBaseline, TimeBaselinePPO
from fer_gym_agents.sb3.vec_env import GymnasiumVecEnv
from fer_gym_agents.selection.agreement import Agreement
from fer_gym_agents.selection.baselines import ImageVariance, KeepAll, Oracle, RandomKeep
from fer_gym_agents.selection.confidence import Cleanlab, Entropy, SelfConfidence
from fer_gym_agents.selection.dvrl import Dvrl
from fer_gym_agents.selection.margins import AreaUnderMargin
from fer_gym_agents.selection.reinforce import Reinforce, SelectorPolicy
from fer_gym_agents.selection.scored import ScoredSelection
from fer_gym_agents.selection.shapley import KnnShapley
from fer_gym_agents.selection.variants import FeaturePolicy, bandit, sigmoid_selector
from fer_gym_agents.tuning.branching import Greedy, PopulationBasedTraining
from fer_gym_agents.tuning.schedules import (
    Cosine,
    Curriculum,
    KnowsInstance,
    Linear,
    RandomPerChunk,
    Replay,
    Schedule,
    Static,
)
from fer_gym_agents.tuning.search import BayesStatic, BestRandomSchedule, BestStatic, Search

__all__ = [
    "Agreement",
    "AreaUnderMargin",
    "BayesStatic",
    "BestRandomSchedule",
    "BestStatic",
    "BoxPolicy",
    "Cleanlab",
    "Cosine",
    "CreditA2C",
    "CreditAlgorithm",
    "CreditDQN",
    "CreditPPO",
    "Curriculum",
    "Dvrl",
    "Entropy",
    "FeaturePolicy",
    "Greedy",
    "GymnasiumVecEnv",
    "ImageVariance",
    "KeepAll",
    "KnnShapley",
    "KnowsInstance",
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
    "TimeBaseline",
    "TimeBaselinePPO",
    "a2c",
    "bandit",
    "dqn",
    "ppo",
    "recurrent_ppo",
    "sac",
    "sigmoid_selector",
    "td3",
]
