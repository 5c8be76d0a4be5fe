"""Stable-Baselines3's on-policy algorithms with a baseline that depends on time alone, for RegTune-v0."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv


class TimeBaseline(OnPolicyAlgorithm):
    """An on-policy algorithm whose advantages have the time within the episode for a baseline, not the observation.

    The return from a step on depends above all on how many steps the episode still has, which RegTune-v0's observation
    does not contain. A critic of the observation infers it from the losses, which fall as a child learns: where they
    are high, the critic expects a young child, with all the overfitting to come. But a strong regulariser makes the
    next losses high as well. The critic then expects a longer rest of the episode, lowers the advantage of the
    regulariser, and with a small lambda the policy learns the opposite of what raises the return.

    This class has in place of the critic b(t), the mean discounted return from the t-th step of an episode on, over
    the last rollouts. b(t) does not depend on the losses. The temporal difference is then a reward less the mean
    reward m of its step, so the advantage of step t is

        sum_k (gamma lambda)^k (r_{t+k} - m_{t+k}).

    Lambda is thus a second discount: an action is credited with the rewards of some 1 / (1 - gamma lambda) steps, and
    with those to the episode's end where lambda is 1. The policy's critic is still trained towards the same returns;
    nothing uses its values.
    """

    #: The weight of a rollout in the mean rewards, relative to the next rollout's.
    decay = 2 / 3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The rewards at each step of an episode, summed, and their number, both decaying. An array, so `save` has it.
        self._sums_and_counts: NDArray[np.float64] = np.zeros((2, 0))
        self._elapsed: NDArray[np.int64] = np.zeros(0, np.int64)  # of each environment's running episode
        super().__init__(*args, **kwargs)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Collect as the base class; after a callback's stop, the next rollout goes on where the environment is."""
        whole = super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        if not whole:
            # Stable-Baselines3 drops the step at which it stopped, which the environment has taken.
            stored = rollout_buffer.episode_starts[: rollout_buffer.pos]
            self._times(np.concatenate([stored, np.array(self._last_episode_starts, np.float32)[None]]))
            self._last_obs, self._last_episode_starts = callback.locals["new_obs"], callback.locals["dones"]
        return whole

    def train(self) -> None:
        """Compute the advantages with the time for a baseline, then learn from the rollout."""
        buffer = self.rollout_buffer
        times = self._times(buffer.episode_starts)
        self._remember(times[:-1], buffer.rewards)
        to_come = self._mean_returns()[times]
        buffer.values = to_come[:-1].astype(np.float32)
        after = torch.as_tensor(to_come[-1], dtype=torch.float32)
        assert self._last_episode_starts is not None
        buffer.compute_returns_and_advantage(after, self._last_episode_starts)
        super().train()

    def _times(self, starts: NDArray[np.float32]) -> NDArray[np.int64]:
        """The time within its episode of each step (T, environments), from 0; the last row is that of the next step."""
        times = np.zeros((len(starts) + 1, starts.shape[1]), np.int64)
        now = np.resize(self._elapsed, starts.shape[1])
        for step, begins in enumerate(starts):
            now = np.where(begins > 0, 0, now)
            times[step] = now
            now = now + 1
        times[-1] = self._elapsed = now
        return times

    def _remember(self, times: NDArray[np.int64], rewards: NDArray[np.float32]) -> None:
        """Add rewards (T, environments) to the sums of their times."""
        before = self._sums_and_counts
        now = np.zeros((2, max(before.shape[1], int(times.max()) + 1)))
        now[:, : before.shape[1]] = self.decay * before
        np.add.at(now[0], times, rewards)
        np.add.at(now[1], times, 1.0)
        self._sums_and_counts = now

    def _mean_returns(self) -> NDArray[np.float64]:
        """b(t) of each step of the longest episode so far, and 0 after it."""
        # The count of a step that no episode reaches any more decays to 0.
        sums, counts = self._sums_and_counts
        mean = sums / np.maximum(counts, np.finfo(np.float64).tiny)
        to_come = np.zeros(len(mean) + 1)
        for time in reversed(range(len(mean))):
            to_come[time] = mean[time] + self.gamma * to_come[time + 1]
        return to_come


class TimeBaselinePPO(TimeBaseline, PPO):
    """PPO with the time for a baseline."""
