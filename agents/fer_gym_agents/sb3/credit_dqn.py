"""Stable-Baselines3's DQN for ImageSelect-v0."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from fer_gym.errors import UsageError
from fer_gym_agents.base import episode_length
from fer_gym_agents.sb3.credit import begin_whole_walk
from fer_gym_agents.sb3.frozen_walks import FrozenWalks


class CreditDQN(FrozenWalks, DQN):
    """DQN whose rewards are the credits of the images: Q(s, a) is the expected credit of action a.

    RLPS calls DQN unsuitable, because the rewards come when a walk is over. So here it learns after that: a rollout is
    a walk, and `info["sample_credits"]` of the last step replaces the rewards of the walk's transitions in the replay
    buffer. A credit is the whole return of its action, so `gamma` must be 0.

    Args:
        args: of `stable_baselines3.DQN`.
        kwargs: likewise, and `pretrain_episodes` and `refresh_episodes`, see `FrozenWalks`.

    Raises:
        ValueError: if credits are discounted; when training starts, unless a rollout is a walk; when an episode ends,
            if the replay buffer is shorter than the episode.
    """

    replay_buffer: ReplayBuffer

    def _setup_model(self) -> None:
        if self.gamma:
            raise UsageError(f"gamma: {self.gamma} is not allowed; use 0.0, credits are not discounted")
        super()._setup_model()

    @property
    def _rollout(self) -> tuple[str, int]:
        assert isinstance(self.train_freq, TrainFreq)
        steps, unit = self.train_freq
        if unit is TrainFrequencyUnit.EPISODE and self.env is not None:
            steps *= episode_length(self.env, "num_images") or 1
        return "train_freq", steps

    def _walk(self, callback: BaseCallback) -> None:
        assert self.env is not None
        assert isinstance(self.train_freq, TrainFreq)
        self.collect_rollouts(self.env, callback, self.train_freq, self.replay_buffer)

    def _update(self) -> None:
        # As Stable-Baselines3: -1 stands for as many as steps were taken.
        steps = self.gradient_steps if self.gradient_steps >= 0 else self._rollout[1] * self.n_envs
        DQN.train(self, steps, self.batch_size)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, *args: Any, **kwargs: Any) -> RolloutReturn:
        """Roll out whole walks: one that a callback stopped has no credits, and what is stored of it is forgotten."""
        begin_whole_walk(self, env)
        rollout = super().collect_rollouts(env, callback, *args, **kwargs)
        if not rollout.continue_training:
            self._last_episode_starts = np.zeros(env.num_envs, dtype=bool)
            self.replay_buffer.reset()
        return rollout

    def _store_transition(self, replay_buffer: ReplayBuffer, *args: Any, **kwargs: Any) -> None:
        super()._store_transition(replay_buffer, *args, **kwargs)
        infos: list[dict[str, Any]] = args[-1]
        for walker, info in enumerate(infos):
            credits = info.get("sample_credits")
            if credits is None:
                continue
            if len(credits) > replay_buffer.buffer_size:
                raise UsageError(
                    f"buffer_size: an episode has {len(credits)} steps, and {replay_buffer.buffer_size} are stored; "
                    "use a buffer of whole episodes"
                )
            places = np.arange(replay_buffer.pos - len(credits), replay_buffer.pos) % replay_buffer.buffer_size
            replay_buffer.rewards[places, walker] = credits
