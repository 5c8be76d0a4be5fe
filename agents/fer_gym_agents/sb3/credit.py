"""Delayed per-image credits, written into the rollout buffer that Stable-Baselines3 learns from."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback, ConvertCallback
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.vec_env import VecEnv

from fer_gym.errors import UsageError


class SampleCredits(BaseCallback):
    """The reward of step i of a walk becomes `info["sample_credits"][i]`, in place of the environment's reward.

    ImageSelect-v0 computes the reward of each image after the last step. When that step's info arrives, this
    callback writes the whole episode's credits into the rollout buffer, before any advantage is computed, so that
    every on-policy algorithm of Stable-Baselines3 learns from them:

        model = PPO("MlpPolicy", env, n_steps=env.unwrapped.num_images, gamma=0.0, gae_lambda=0.0)
        model.learn(total_timesteps, callback=SampleCredits())

    With several walkers (`GymnasiumVecEnv`) each gets the credits of its own images; the credit of an idle step is 0.

    A credit is the whole return of its action, so `gamma` and `gae_lambda` must be 0. Episodes whose `info` has no
    credits keep their rewards.

    Raises:
        ValueError: when training starts, if the algorithm has no rollout buffer or discounts credits; when an episode
            ends, if it does not lie within one rollout (`n_steps` must be whole episodes).
    """

    def _on_training_start(self) -> None:
        model = self.model
        if not isinstance(getattr(model, "rollout_buffer", None), RolloutBuffer):
            raise UsageError(
                f"SampleCredits: {type(model).__name__} has no rollout buffer; use an on-policy algorithm such as "
                "Reinforce, PPO or A2C"
            )
        for name in ("gamma", "gae_lambda"):
            if getattr(model, name) != 0.0:
                raise UsageError(
                    f"SampleCredits: {name} is {getattr(model, name)}; use 0.0, credits are not discounted"
                )

    def _on_step(self) -> bool:
        for environment, info in enumerate(self.locals["infos"]):
            credits = info.get("sample_credits")
            if credits is None:
                continue
            buffer: RolloutBuffer = self.locals["rollout_buffer"]
            start = buffer.pos - len(credits) + 1
            if start < 0:
                raise UsageError(
                    f"SampleCredits: an episode of {len(credits)} steps began before this rollout of n_steps = "
                    f"{buffer.buffer_size}; set n_steps to a whole number of episodes"
                )
            # The last step is not in the buffer yet: it is added from `rewards` after this callback.
            buffer.rewards[start : buffer.pos, environment] = credits[:-1]
            self.locals["rewards"][environment] = credits[-1]
        return True


def with_credits(callback: MaybeCallback) -> list[BaseCallback]:
    """`SampleCredits`, and after it what was given to `learn`."""
    given = callback if isinstance(callback, list) else [] if callback is None else [callback]
    return [SampleCredits(), *(each if isinstance(each, BaseCallback) else ConvertCallback(each) for each in given)]


def begin_whole_walk(model: BaseAlgorithm, env: VecEnv) -> None:
    """Reset the environment unless it is at the beginning of an episode, as after a callback that stopped a walk."""
    if model._last_episode_starts is None or not np.all(model._last_episode_starts):
        model._last_obs = env.reset()  # type: ignore[assignment]
        model._last_episode_starts = np.ones(env.num_envs, dtype=bool)
