"""RegTune-v0."""

from fer_gym.envs.reg_tune.env import RegTuneEnv
from fer_gym.envs.reg_tune.rewards import Chunk
from fer_gym.envs.reg_tune.vector import RegTuneVectorEnv

__all__ = ["Chunk", "RegTuneEnv", "RegTuneVectorEnv"]
