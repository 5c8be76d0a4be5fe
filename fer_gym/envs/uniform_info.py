"""Infos with the same keys at every step, for libraries that stack them."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from fer_gym.envs.image_select import ImageSelectEnv
from fer_gym.envs.reg_tune import RegTuneEnv
from fer_gym.errors import UsageError
from fer_gym.training import metrics


class UniformInfo(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """An environment whose infos have the same keys, shapes and dtypes at every reset and step.

    Minari with `record_infos=True` stacks the infos of an episode. The environments' own infos cannot be stacked, since
    the last one has more keys. In this wrapper's infos a value that is not known yet is NaN, -1 (`sample_index`,
    `instance`), 0 or False. The entries of an inner dictionary are keys of their own: `validation_macro_f1`,
    `hyperparameters_dropout`.

    Keys that other wrappers add are dropped. In `ImageSelect-v0` an episode has N + 1 infos of four arrays (N,) each.

    Args:
        env: `ImageSelect-v0` or `RegTune-v0`, scalar, possibly wrapped.

    Raises:
        ValueError: if it is another environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        base = env.unwrapped
        validation = {f"validation_{name}": np.nan for name in metrics.scores(np.ones((1, 1), np.int64))}
        self._unknown: dict[str, Any]
        if isinstance(base, ImageSelectEnv):
            images = base.num_images
            self._unknown = {
                "sample_index": np.full(images, -1),
                "retained": np.zeros(images, np.bool_),
                "sample_rewards": np.zeros(images, np.float32),
                "sample_credits": np.zeros(images, np.float32),
                "keep_ratio": np.nan,
                **validation,
            }
        elif isinstance(base, RegTuneEnv):
            self._unknown = {
                "chunk": 0,
                **{f"hyperparameters_{name}": np.nan for name in base.strengths.names},
                **dict.fromkeys(("train_loss", "train_f1", "val_loss", "val_f1"), np.nan),
                "diverged": False,
                **validation,
                "instance": -1,
            }
        else:
            raise UsageError(f"env: {base} is not allowed; use ImageSelect-v0 or RegTune-v0, not a vector form")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, as the environment."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, self._uniform(info)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, as the environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, self._uniform(info)

    def _uniform(self, info: dict[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for name, value in info.items():
            known |= (
                {f"{name}_{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
            )
        return {name: np.copy(known.get(name, value))[()] for name, value in self._unknown.items()}
