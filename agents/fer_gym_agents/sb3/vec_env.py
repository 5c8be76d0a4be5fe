"""Gymnasium's vector environments as Stable-Baselines3's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import DictInfoToList
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from fer_gym.errors import UsageError


class GymnasiumVecEnv(VecEnv):
    """Lets Stable-Baselines3 learn in a Gymnasium vector environment, which it refuses as it is.

        env = GymnasiumVecEnv(gym.make_vec("ImageSelect-v0", num_envs=64))

    An environment whose episode ends is reset in the same step, as Stable-Baselines3 wants it: the observation is then
    the next episode's first one, and the last one is `info["terminal_observation"]` in the last step's info.

    For environments that take `options={"reset_mask": mask}` and have `get_attr` and `call`: this package's, and
    Gymnasium's `SyncVectorEnv` and `AsyncVectorEnv`.

    Walkers of ImageSelect-v0 whose shard is one image shorter idle in the last step. An idle step has a credit of 0;
    `Reinforce` leaves it out by the terminal info's `valid`. Stable-Baselines3's own algorithms have no mask: they
    learn that an observation without an image has a value of 0. At most K - 1 of an episode's N steps are idle, none
    where K divides N.

    Args:
        env: the vector environment, with any autoreset mode but "SameStep".

    Raises:
        ValueError: if it resets in the same step by itself.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if env.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP:
            raise UsageError("env: autoreset_mode 'SameStep' is not allowed; use 'NextStep', which is the default")
        self.env = DictInfoToList(env)
        self._base: Any = env.unwrapped
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> NDArray[Any]:
        """Reset all of them, with the seed and the options that were set; returns observations (K, ...)."""
        options = self._options[0]
        if any(other != options for other in self._options):
            raise UsageError("set_options: all environments take the same options; give one dictionary")
        observations: NDArray[Any]
        observations, self.reset_infos = self.env.reset(seed=self._seeds[0], options=options or None)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Observations (K, ...), rewards (K,) float32, dones (K,) bool, and the infos, one for each environment."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        dones = terminated | truncated
        if dones.any():
            begun, reset_infos = self.env.reset(options={"reset_mask": dones})
            for i in np.flatnonzero(dones):
                infos[i]["terminal_observation"] = observations[i]
                infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
                self.reset_infos[i] = reset_infos[i]
            observations = begun
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of each environment; `num_images` of ImageSelect-v0 is the length of a walker's own walk."""
        values = self._base.get_attr(attr_name)
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of each environment.

        Raises:
            ValueError: for some of the environments only.
        """
        self._all(indices)
        self._base.set_attr(attr_name, [value] * self.num_envs)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each environment; its results.

        Raises:
            ValueError: for some of the environments only.
        """
        self._all(indices)
        return list(self._base.call(method_name, *method_args, **method_kwargs))

    def _all(self, indices: VecEnvIndices) -> None:
        if list(self._get_indices(indices)) != list(range(self.num_envs)):
            raise UsageError(f"indices: {indices!r} is not allowed; use None, which means all environments")

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Nothing wraps one of the environments alone."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A frame of each environment, for `render_mode="rgb_array"`."""
        frames: Any = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)
