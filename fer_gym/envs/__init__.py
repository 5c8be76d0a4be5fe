"""The environments."""

from fer_gym.envs.chunk_rewards import Chunk
from fer_gym.envs.image_select import ImageSelectEnv
from fer_gym.envs.reg_tune import RegTuneEnv
from fer_gym.envs.rewards import FinishedWalk

__all__ = ["Chunk", "FinishedWalk", "ImageSelectEnv", "RegTuneEnv"]
