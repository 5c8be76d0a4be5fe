"""Stable-Baselines3's on-policy algorithms for ImageSelect-v0: they learn from credits, and rank images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from fer_gym_agents.sb3.credit import begin_whole_walk, with_credits
from fer_gym_agents.sb3.frozen_walks import FrozenWalks, OnPolicyFrozenWalks

_BATCH_SIZE = 64
_Algorithm = TypeVar("_Algorithm")


class CreditAlgorithm(OnPolicyFrozenWalks):
    """An on-policy algorithm that learns from `SampleCredits` and gives the keep probability of each image.

    The credit is the advantage, unless a critic is asked for. A signed credit (2a - 1) R pushes the log-odds of
    retaining by R, whichever action a was drawn, so there is no noise of the draw that a baseline could take away, and
    the value V = (2 pi - 1) R brings some in: where pi is near 1, the rare draw of a = 0 then outweighs all others.

    Args:
        args: of the algorithm.
        critic: subtract the critic's value from the credits. It pays where every image has the same credit, as with
            `reward="f1_change"`.
        kwargs: of the algorithm, and `pretrain_episodes` and `refresh_episodes`, see `FrozenWalks`.
    """

    def __init__(self, *args: Any, critic: bool = False, **kwargs: Any) -> None:
        self.critic = critic
        super().__init__(*args, **kwargs)

    def _update(self) -> None:
        super(FrozenWalks, self).train()

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        return super()._init_callback(with_credits(callback), progress_bar)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Collect whole walks: a walk that a callback stopped is not gone on with, the next one begins with a reset."""
        begin_whole_walk(self, env)
        whole = super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        if not whole:
            # Stable-Baselines3 keeps the observation before the step at which the callback stopped.
            self._last_obs, self._last_episode_starts = callback.locals["new_obs"], callback.locals["dones"]
        elif not self.critic:
            rollout_buffer.advantages[:] = rollout_buffer.returns  # gamma = lambda = 0: the credits
        return whole

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """pi(a = 1), float32 (N,), of the observations (N, ...) of a walk, in its order."""
        self.policy.set_training_mode(False)
        tensor, _ = self.policy.obs_to_tensor(observations)
        assert isinstance(tensor, Tensor)
        with torch.no_grad():
            distribution = self._distribution(tensor)
        assert isinstance(distribution, CategoricalDistribution)
        kept: NDArray[np.float32] = distribution.distribution.probs[:, 1].cpu().numpy()
        return kept

    def _distribution(self, observations: Tensor) -> Distribution:
        return self.policy.get_distribution(observations)


class CreditPPO(CreditAlgorithm, PPO):
    """PPO on credits."""


class CreditA2C(CreditAlgorithm, A2C):
    """A2C on credits."""


def walk_settings(num_images: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The keywords of an on-policy algorithm: a rollout is a walk of N images, and no credit is discounted."""
    return {
        "policy": "MlpPolicy",
        "n_steps": num_images,
        "gamma": 0.0,
        "gae_lambda": 0.0,
        "device": "cpu",
        **settings,
    }


def batch_size_for(rollout: int) -> int:
    """The batch size for a rollout of so many steps: at most 64, or all of a smaller rollout.

    The last batch may be smaller, but is never a single step, which `normalize_advantage=True` could not normalise.
    """
    return next(size for size in range(min(_BATCH_SIZE, rollout), 0, -1) if rollout % size != 1)


def without_batch_warning(make: Callable[..., _Algorithm], **keywords: Any) -> _Algorithm:
    """Make an algorithm; a last batch that is smaller is meant here, and PPO warns of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
        return make(**keywords)
