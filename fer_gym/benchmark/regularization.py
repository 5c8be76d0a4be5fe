"""One trial on RegTune-v0: let an agent learn, then let it regularise fresh children, and score those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from fer_gym.benchmark import agents
from fer_gym.benchmark.episodes import EpisodeLog
from fer_gym.benchmark.tasks import Arm, RegTuneTask
from fer_gym.envs import RegTuneEnv

# The children that count are none of those that the agent learnt from, and the same for every arm of a seed.
_FIRST_CHILD = 1_000_000


def run(
    task: RegTuneTask,
    arm: Arm,
    seed: int,
    settings: dict[str, Any],
    root: str | None,
    note: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Run a trial.

    Args:
        task: where.
        arm: who.
        seed: fixes data, the agent, the children it learns from and those that count.
        settings: the arm's, completed.
        root: where the task's data set is.
        note: is called with a row for each episode.

    Returns:
        What the record holds besides its name: `episodes`, those the agent learnt from; `children`, those that count,
        with the schedule each was trained under; `scores`, their means.
    """
    env = EpisodeLog(gym.make(task.env_id, **{**task.env, **arm.env}, root=root, data_seed=seed), note)
    base = env.unwrapped
    assert isinstance(base, RegTuneEnv)
    agent = agents.make(arm.agent, env, seed, settings)
    agent.learn(task.episodes * base.chunks)
    learnt = list(env.rows)
    children = []
    for child in range(task.children):
        _live(agent, env, _FIRST_CHILD + task.children * seed + child)
        children.append({**env.rows[-1], "test": base.evaluate("test")})
    steps_learnt = sum(len(row["schedule"]) for row in learnt) * base.chunk_size
    env.close()
    return {
        "episodes": learnt,
        "children": children,
        "scores": {
            "return": _mean(children, "reward"),
            "gap_return": _mean(children, "gap_return"),
            "val_f1_change": _mean(children, "val_f1_change"),
            "train_f1": _mean(children, "train_f1"),
            "test": {key: float(np.mean([child["test"][key] for child in children])) for key in children[0]["test"]},
            "mean_strength": float(np.mean([np.mean(child["schedule"]) for child in children])),
            "gradient_steps": {"learning": steps_learnt, "each child": base.chunks * base.chunk_size},
        },
    }


def _live(agent: agents.Agent, env: gym.Env[Any, Any], seed: int) -> None:
    """Let the agent regularise one child, without exploring."""
    observation, _ = env.reset(seed=seed)
    state, start, over = None, np.ones(1, dtype=bool), False
    while not over:
        action, state = agent.predict(observation, state=state, episode_start=start, deterministic=True)
        observation, _, over, _, _ = env.step(action)
        start = np.zeros(1, dtype=bool)


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))
