"""fer-gym: training loops of facial expression recognition as Gymnasium tasks.

Importing this package registers `ImageSelect-v0`, `RegTune-v0` and the calibrated tasks, `fer_gym.tasks.TASKS`;
`gym.make("fer_gym:ImageSelect-v0")` imports it by itself.
"""

import importlib
from typing import Any

from gymnasium.envs.registration import register

from fer_gym import tasks
from fer_gym.errors import DatasetError

__all__ = ["DatasetError", "score", "tasks"]
__version__ = "0.2.0"

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
for task in tasks.TASKS:
    register(
        id=task,
        entry_point="fer_gym.tasks:make",
        vector_entry_point="fer_gym.tasks:make_vec",
        kwargs={"task": task},
    )


def __getattr__(name: str) -> Any:
    """`score`, imported when it is asked for: it needs the benchmark's extra."""
    if name != "score":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("fer_gym.benchmark.scoring").score
