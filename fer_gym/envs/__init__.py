"""The environments."""

from fer_gym.envs.image_select import ImageSelectEnv
from fer_gym.envs.rewards import FinishedWalk

__all__ = ["FinishedWalk", "ImageSelectEnv"]
