"""Stable-Baselines3's on-policy algorithms with a baseline that knows the time, for RegTune-v0."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv


class Clocked(OnPolicyAlgorithm):
    """An on-policy algorithm whose advantages are held against the time within the episode, not the observation.

    What an episode still pays depends above all on how long it still lasts, and RegTune-v0's observation does not tell
    that. A critic of the observation reads it from the losses, which fall as a child learns: where they are high it
    takes the child for young, with all the overfitting to come. But a strong regulariser makes the next losses high.
    Such a critic charges it with an episode that seems to have grown longer, and generalised advantages with a small
    lambda teach the opposite of what pays.

    In its place stands b(t), what was paid from the t-th step of an episode to its end, discounted, on the mean of the
    last rollouts. It does not read the losses, so it cannot take a regularised child for a young one. A temporal
    difference against it is a reward less the mean reward m of its step, so the advantage of step t is

        sum_k (gamma lambda)^k (r_{t+k} - m_{t+k}).

    Lambda is thus a second discount: what an action does to the child counts for some 1 / (1 - gamma lambda) steps, and
    to the episode's end by gamma alone where lambda is 1. The networks of the policy's critic are still trained,
    towards the same returns, and decide nothing.
    """

    #: A rollout's weight in the mean rewards, where that of the rollout after it is 1.
    fading = 2 / 3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # What was paid at each step of an episode, and how often, both fading. Arrays: `save` keeps them.
        self._paid_and_counted: NDArray[np.float64] = np.zeros((2, 0))
        self._elapsed: NDArray[np.int64] = np.zeros(0, np.int64)  # of each environment's running episode
        super().__init__(*args, **kwargs)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Collect as ever; where a callback stops it, what was walked since is known to the next one."""
        whole = super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        if not whole:
            # Stable-Baselines3 forgets the step at which it stopped, which the environment has taken.
            stored = rollout_buffer.episode_starts[: rollout_buffer.pos]
            self._times(np.concatenate([stored, np.array(self._last_episode_starts, np.float32)[None]]))
            self._last_obs, self._last_episode_starts = callback.locals["new_obs"], callback.locals["dones"]
        return whole

    def train(self) -> None:
        """Hold the rollout's rewards against the clock, then learn from it."""
        buffer = self.rollout_buffer
        times = self._times(buffer.episode_starts)
        self._remember(times[:-1], buffer.rewards)
        to_come = self._to_come()[times]
        buffer.values = to_come[:-1].astype(np.float32)
        after = torch.as_tensor(to_come[-1], dtype=torch.float32)
        assert self._last_episode_starts is not None
        buffer.compute_returns_and_advantage(after, self._last_episode_starts)
        super().train()

    def _times(self, starts: NDArray[np.float32]) -> NDArray[np.int64]:
        """When in its episode each step (T, environments) was, from 0; the last row is when the next one will be."""
        times = np.zeros((len(starts) + 1, starts.shape[1]), np.int64)
        now = np.resize(self._elapsed, starts.shape[1])
        for step, begins in enumerate(starts):
            now = np.where(begins > 0, 0, now)
            times[step] = now
            now = now + 1
        times[-1] = self._elapsed = now
        return times

    def _remember(self, times: NDArray[np.int64], rewards: NDArray[np.float32]) -> None:
        """Add rewards (T, environments) to what was paid at their times."""
        before = self._paid_and_counted
        now = np.zeros((2, max(before.shape[1], int(times.max()) + 1)))
        now[:, : before.shape[1]] = self.fading * before
        np.add.at(now[0], times, rewards)
        np.add.at(now[1], times, 1.0)
        self._paid_and_counted = now

    def _to_come(self) -> NDArray[np.float64]:
        """b(t) of each step of the longest episode so far, and 0 for what comes after it."""
        # A step that no episode reached any more fades to nothing.
        paid, counted = self._paid_and_counted
        mean = paid / np.maximum(counted, np.finfo(np.float64).tiny)
        to_come = np.zeros(len(mean) + 1)
        for time in reversed(range(len(mean))):
            to_come[time] = mean[time] + self.gamma * to_come[time + 1]
        return to_come


class ClockedPPO(Clocked, PPO):
    """PPO with the clock for a critic."""
