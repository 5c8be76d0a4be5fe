"""fer-gym: training loops of facial expression recognition as Gymnasium tasks.

Importing this package registers `ImageSelect-v0` and `RegTune-v0`; `gym.make("fer_gym:ImageSelect-v0")` imports it by
itself.
"""

from gymnasium.envs.registration import register

from fer_gym.errors import DatasetError

__all__ = ["DatasetError"]
__version__ = "0.1.0"

register(
    id="ImageSelect-v0",
    entry_point="fer_gym.envs.image_select.env:ImageSelectEnv",
    vector_entry_point="fer_gym.envs.image_select.vector:ImageSelectVectorEnv",
)
register(
    id="RegTune-v0",
    entry_point="fer_gym.envs.reg_tune.env:RegTuneEnv",
    vector_entry_point="fer_gym.envs.reg_tune.vector:RegTuneVectorEnv",
)
