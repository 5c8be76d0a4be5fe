"""Walks of ImageSelect-v0 in which only the policy learns."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from fer_gym.checks import check_count
from fer_gym.errors import UsageError
from fer_gym_agents.base import episode_length


class FrozenWalks(BaseAlgorithm):
    """An algorithm that also learns from frozen episodes of ImageSelect-v0, which cost its network nothing.

    The policy is pretrained on some ("we use the fixed CNN model to pre-train the policy network", Algorithm 1 of
    RLPS), and after each training of the network sees the new features with the new rewards on more. They are not
    counted in `total_timesteps`. An environment that does not know `options={"freeze": True}` is not frozen.

    Args:
        args: of the algorithm.
        pretrain_episodes: frozen walks before the first episode.
        refresh_episodes: frozen walks after each episode.
        kwargs: of the algorithm.

    Raises:
        ValueError: if a number is not allowed; when training starts, unless a rollout is a walk.
    """

    def __init__(self, *args: Any, pretrain_episodes: int = 10, refresh_episodes: int = 1, **kwargs: Any) -> None:
        check_count("pretrain_episodes", pretrain_episodes, least=0)
        check_count("refresh_episodes", refresh_episodes, least=0)
        self.pretrain_episodes = pretrain_episodes
        self.refresh_episodes = refresh_episodes
        super().__init__(*args, **kwargs)

    @property
    @abstractmethod
    def _rollout(self) -> tuple[str, int]:
        """The keyword that sets the steps of a rollout, and their number."""

    @abstractmethod
    def _walk(self, callback: BaseCallback) -> None:
        """Roll out one episode, which the environment has begun, into the algorithm's buffer."""

    @abstractmethod
    def _update(self) -> Any:
        """Update the policy from the episodes in the algorithm's buffer."""

    def train(self, *_: Any, **__: Any) -> None:
        """Update the policy from the episode that was rolled out (Algorithm 1, line 15), then from frozen ones."""
        self._update()
        self._learn_frozen(self.refresh_episodes)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        assert self.env is not None
        name, steps = self._rollout
        walk = episode_length(self.env, "num_images")
        if walk not in (None, steps):  # a longer rollout would go on in a walk that is not frozen
            raise UsageError(f"{name}: a rollout of {steps} steps is not allowed; use {walk}, a whole walk")
        total_timesteps, callback = super()._setup_learn(*args, **kwargs)
        if self.num_timesteps == 0:
            self._learn_frozen(self.pretrain_episodes)
        return total_timesteps, callback

    def _learn_frozen(self, episodes: int) -> None:
        """Algorithm 1 with the network frozen."""
        assert self.env is not None
        if not episodes:
            return
        callback = self._init_callback(None)
        # What is counted, and what schedules go by.
        counted = ("num_timesteps", "_episode_num", "_current_progress_remaining")
        before = {name: getattr(self, name) for name in counted}
        episode_infos = copy.copy(self.ep_info_buffer)
        for _ in range(episodes):
            self.env.set_options({"freeze": True})
            self._last_obs = self.env.reset()  # type: ignore[assignment]
            self._last_episode_starts = np.ones(self.n_envs, dtype=bool)
            self._walk(callback)
            vars(self).update(before)
            self._update()
        # The vector environment has begun the next episode, which is not frozen, by itself.
        self.ep_info_buffer = episode_infos


class OnPolicyFrozenWalks(FrozenWalks, OnPolicyAlgorithm):
    """`FrozenWalks` of an on-policy algorithm."""

    @property
    def _rollout(self) -> tuple[str, int]:
        return "n_steps", self.n_steps

    def _walk(self, callback: BaseCallback) -> None:
        assert self.env is not None
        self.collect_rollouts(self.env, callback, self.rollout_buffer, self.n_steps)
