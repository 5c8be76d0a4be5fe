"""ImageSelect-v0 with 64 walkers against the scalar environment, the same agent acting, interleaved in one run.

Timed are the choice of an action, the step and the rollout buffer, all of an episode but its last step. The network is
not trained and the agent not updated.

Run: python tests/benchmarks/bench_vector_walk.py [--pairs N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from noise_images import noise_splits
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from fer_gym.data import Splits
from fer_gym_agents import GymnasiumVecEnv, Reinforce, SampleCredits

_WALKERS = 64
_IMAGES = 3_200
_TARGETS = {"REINFORCE": 10, "PPO": 15}


class _Clock(BaseCallback):
    """Seconds from a rollout's start to its last step but one."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = self._steps = steps

    def _on_rollout_start(self) -> None:
        self._left, self._start = self._steps, time.perf_counter()

    def _on_step(self) -> bool:
        self._left -= 1
        if self._left == 1:
            self.seconds = time.perf_counter() - self._start
        return True


def _agent(name: str, env: Any, steps: int) -> OnPolicyAlgorithm:
    if name == "REINFORCE":
        return Reinforce(env, pretrain_episodes=0, seed=0)
    return PPO("MlpPolicy", env, n_steps=steps, batch_size=64, gamma=0.0, gae_lambda=0.0, seed=0, device="cpu")


def _walk(name: str, splits: Splits, walkers: int) -> Callable[[], float]:
    """Seconds per image over one episode."""
    keywords: dict[str, Any] = {"dataset": splits, "pretrain_epochs": 0, "epochs_per_episode": 0}
    if walkers == 1:
        env: Any = gym.make("fer_gym:ImageSelect-v0", **keywords)
    else:
        env = GymnasiumVecEnv(gym.make_vec("fer_gym:ImageSelect-v0", num_envs=walkers, **keywords))
    steps = _IMAGES // walkers
    agent = _agent(name, env, steps)
    clock = _Clock(steps)
    _, callback = agent._setup_learn(0, [SampleCredits(), clock])
    callback.on_training_start({}, {})

    def run() -> float:
        assert agent.env is not None
        agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, steps)
        return clock.seconds / ((steps - 1) * walkers)

    return run


def main() -> None:
    """Print a line for each agent: what, against what, the median ratio of the pairs, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    splits = noise_splits(_IMAGES)
    for name, target in _TARGETS.items():
        vector, scalar = _walk(name, splits, _WALKERS), _walk(name, splits, 1)
        pairs = np.array([(vector(), scalar()) for _ in range(options.pairs)])
        ratios = np.sort(pairs[:, 1] / pairs[:, 0])
        vector_rate, scalar_rate = 1 / np.median(pairs, axis=0)
        print(
            f"ImageSelect-v0, {_WALKERS} walkers, {name} acting ({vector_rate:,.0f} images/s) | one, the same agent "
            f"({scalar_rate:,.0f} images/s) | {np.median(ratios):.1f} x [{ratios[0]:.1f}, {ratios[-1]:.1f}] | "
            f"target {target} x"
        )


if __name__ == "__main__":
    main()
