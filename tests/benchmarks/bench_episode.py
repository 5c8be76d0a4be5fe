"""A whole episode of ImageSelect-v0 against one epoch and one evaluation pass of its network, interleaved in one run.

The episode: REINFORCE acts on every image and retains it, the network trains on all of them, every image and the
validation split are evaluated, the policy is updated. The reference: the same trainer's epoch on every image and one
pass over them, before and after each episode. An episode is compared with the mean of the two: a machine changes its
speed over the minutes that they take.

Run: python tests/benchmarks/bench_episode.py [--root FER2013] [--limit N] [--network NAME] [--walkers K] [--episodes N]
Without --root it walks the embedded faces.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from fer_gym.training import Trainer
from fer_gym_agents import GymnasiumVecEnv, Reinforce

# By the number of walkers: one, and several.
_TARGETS = (1.15, 1.05)


def main() -> None:
    """Print one line: what, against what, the median ratio of the episodes, the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="FER2013; the embedded faces without it")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--network", default="small")
    parser.add_argument("--walkers", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=3)
    options = parser.parse_args()
    dataset = "synthetic" if options.root is None else "fer2013"
    keywords: dict[str, Any] = {
        "dataset": dataset,
        "root": options.root,
        "limit": options.limit,
        "network": options.network,
        "pretrain_epochs": 0,
        "credit": "signed",
    }
    name, walkers = "fer_gym:ImageSelect-v0", options.walkers
    made: Any = gym.make(name, **keywords) if walkers == 1 else gym.make_vec(name, num_envs=walkers, **keywords)
    env = made if walkers == 1 else GymnasiumVecEnv(made)
    base = made.unwrapped
    agent = Reinforce(env, pretrain_episodes=0, seed=0)
    agent.policy.last.bias.data.fill_(30.0)
    keeps_all = copy.deepcopy(agent.policy.state_dict())
    agent.learn(0)  # resets: the first look at the images is not the episode's
    within: list[float] = []  # seconds of the running episode's epoch and pass
    for method in ("train_epochs", "outputs"):
        setattr(base.trainer, method, _timed(getattr(base.trainer, method), within))
    trainer = Trainer(base.splits, base.settings)

    def episode() -> tuple[float, float]:
        within.clear()
        start = time.perf_counter()
        agent.learn(-(-base.num_images // walkers) * walkers, reset_num_timesteps=False)
        seconds = time.perf_counter() - start
        assert agent.logger.name_to_value["rollout/keep_ratio"] == 1.0
        agent.policy.load_state_dict(keeps_all)
        return seconds, sum(within)

    def epoch_and_pass() -> float:
        start = time.perf_counter()
        trainer.train_epochs(trainer.all_images(), 1)
        trainer.outputs("train")
        return time.perf_counter() - start

    references, episodes = [epoch_and_pass()], []
    for _ in range(options.episodes):
        episodes.append(episode())
        references.append(epoch_and_pass())
    seconds, within_seconds = np.array(episodes).T
    beside = (np.array(references[:-1]) + np.array(references[1:])) / 2
    ratios = seconds / beside
    print(
        f"ImageSelect-v0 episode, {dataset}, {base.num_images:,} images, {walkers} walkers, {options.network} "
        f"({np.median(seconds):.1f} s) | "
        f"its epoch and one evaluation pass ({np.median(beside):.1f} s) | {np.median(ratios):.3f} x "
        f"[{ratios.min():.3f}, {ratios.max():.3f}], {np.median(seconds / within_seconds):.3f} x those within it | "
        f"target {_TARGETS[walkers > 1]} x"
    )


def _timed(method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The method, whose calls append what they took to `seconds`."""

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        outcome = method(*arguments)
        seconds.append(time.perf_counter() - start)
        return outcome

    return timed


if __name__ == "__main__":
    main()
