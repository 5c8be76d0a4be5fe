"""ImageSelect-v0."""

from fer_gym.envs.image_select.env import ImageSelectEnv
from fer_gym.envs.image_select.rewards import FinishedWalk
from fer_gym.envs.image_select.vector import ImageSelectVectorEnv

__all__ = ["FinishedWalk", "ImageSelectEnv", "ImageSelectVectorEnv"]
