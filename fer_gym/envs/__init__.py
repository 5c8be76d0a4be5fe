"""ImageSelect-v0 and RegTune-v0, scalar and vector."""

from fer_gym.envs.image_select import FinishedWalk, ImageSelectEnv, ImageSelectVectorEnv
from fer_gym.envs.reg_tune import Chunk, RegTuneEnv, RegTuneVectorEnv
from fer_gym.envs.uniform_info import UniformInfo

__all__ = [
    "Chunk",
    "FinishedWalk",
    "ImageSelectEnv",
    "ImageSelectVectorEnv",
    "RegTuneEnv",
    "RegTuneVectorEnv",
    "UniformInfo",
]
