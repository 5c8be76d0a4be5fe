"""One trial on RegTune-v0: let an agent learn, then let it regularise fresh children, and score those."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym import agents
from fer_gym.benchmark.run import gradcam, provenance
from fer_gym.benchmark.run.arrays import padded
from fer_gym.benchmark.spec.tasks import RegTuneTask, Trial
from fer_gym.envs import RegTuneEnv
from fer_gym.episodes import EpisodeLog
from fer_gym.training import metrics
from fer_gym.training.generators import global_generators_restored

# The children that count are none of those that the agent learnt from, and the same for every arm of a seed.
_FIRST_CHILD = 1_000_000
# What an episode's row has of each chunk.
_OF_CHUNKS = ("train_losses", "val_losses", "schedule")


def run(
    trial: Trial,
    settings: dict[str, Any],
    root: str | None,
    note: Callable[[dict[str, Any]], None],
    save_to: Path | None = None,
) -> dict[str, Any]:
    """Run a trial.

    Args:
        trial: its seed fixes data, the agent, the children it learns from and those that count.
        settings: the arm's, completed.
        root: where the suite's data set is.
        note: is called with a row for each episode.
        save_to: where the agent is saved when it has learnt.

    Returns:
        What the record says of the outcome: `data`, `machine`, `episodes` (those that the agent learnt from),
        `children` (those that count), `scores` (the means of these), `arrays`, and `saved_agent` where the agent was
        saved.
    """
    task, seed = trial.task, trial.seed
    env = EpisodeLog(trial.make_env(root), note)
    base = env.unwrapped
    assert isinstance(base, RegTuneEnv)
    assert isinstance(task, RegTuneTask)
    data = base.splits.fingerprint()  # later that of another instance
    agent = agents.learned(trial.arm.agent, env, seed, settings, task.episodes * base.chunks)
    saved = None if save_to is None else agents.save(agent, save_to)
    learnt = list(env.rows)
    children, draws, arrays = _children(task, agent, env, seed)
    by_mean = _children(task, agent, env, seed, deterministic=True)[0] if draws else children
    env.close()
    scores = {
        "return": _mean(children, "reward"),
        "gap_return": _mean(children, "gap_return"),
        "val_f1_change": _mean(children, "val_f1_change"),
        "train_f1": _mean(children, "train_f1"),
        "test": _mean_test(children),
        "test_by_mean": _mean_test(by_mean),
        "mean_strength": float(np.mean([np.mean(child["schedule"]) for child in children])),
        **_cost(base, agent, learnt, len(children) * (1 + draws)),
    }
    return {
        "data": data,
        "machine": provenance.machine(base.trainer),
        "episodes": _without_chunks(learnt),
        "children": _without_chunks(children),
        "scores": scores,
        "arrays": {**arrays, **of_chunks("child", children, np.float32), **of_chunks("episode", learnt, np.float16)},
        **({"saved_agent": saved} if saved else {}),
    }


def of_chunks(
    of: str, rows: list[dict[str, Any]], kind: type[np.floating[Any]]
) -> dict[str, NDArray[np.floating[Any]]]:
    """A record's arrays of what rows have of each chunk, by name: losses (rows, T), the schedule (rows, T, h)."""
    return {f"{of}_{key}": padded([row[key] for row in rows], kind) for key in _OF_CHUNKS if rows}


def _without_chunks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: each for key, each in row.items() if key not in _OF_CHUNKS} for row in rows]


def _cost(base: RegTuneEnv, agent: agents.Agent, learnt: list[dict[str, Any]], children: int) -> dict[str, Any]:
    """What the trial cost: the budget at which agents are compared.

    Each chunk is scored on its validation batches, each run's end on the whole split, and a child that counts on the
    test images. An agent that branches children counts the chunks and ends that the log does not see.
    """
    learning = learnt[-1]["gradient_steps"] if learnt else 0
    learning += int(getattr(agent, "chunks_trained", 0)) * base.chunk_size
    each_child = (base.chunks + (base.warmup is not None)) * base.chunk_size
    size, scored_again = base.settings.batch_size, base.train_f1 == "eval"
    validated = len(base.splits.val) if isinstance(base.val_batches, str) else size * base.val_batches

    def evaluated(gradient_steps: int) -> int:
        return gradient_steps // base.chunk_size * (validated + size * base.chunk_size * scored_again)

    ends = len(learnt) + int(getattr(agent, "runs_ended", 0))
    held_out = len(base.splits.val), len(base.splits.val) + len(base.splits.test)
    return {
        "gradient_steps": {"learning": learning, "each child": each_child},
        "images_trained": {"learning": learning * size, "children": children * each_child * size},
        "images_evaluated": {
            "learning": evaluated(learning) + ends * held_out[0],
            "children": children * (evaluated(each_child) + held_out[1]),
        },
    }


def _children(
    task: RegTuneTask, agent: Any, env: EpisodeLog, seed: int, *, deterministic: bool = False
) -> tuple[list[dict[str, Any]], bool, dict[str, NDArray[Any]]]:
    """Let the agent regularise fresh children.

    Returns:
        A row for each child, with its test scores; whether the agent draws its actions; what the report shows of the
        first child.
    """
    base = env.unwrapped
    assert isinstance(base, RegTuneEnv)
    rows: list[dict[str, Any]] = []
    draws = False
    arrays: dict[str, NDArray[Any]] = {}
    for child in range(task.children):
        # The same seed gives the same child of every instance, so the instances differ in nothing else.
        place, instance = divmod(child, len(base.instances))
        options = {"instance": instance} if task.env.get("instances") else None
        draws |= _roll_out(agent, env, _FIRST_CHILD + task.children * seed + place, options, deterministic)
        matrix = base.confusion("test")
        row = {**env.rows[-1], "test": metrics.scores(matrix), **(options or {})}
        if not child and not deterministic:  # the report shows one
            row["confusion"] = {"classes": list(base.splits.classes), "counts": matrix.tolist()}
            row["looked_at"], maps = gradcam.maps_of_classes(base.trainer)
            arrays |= {"grad_cam": maps} if maps.size else {}
        rows.append(row)
    return rows, draws, arrays


def _roll_out(
    agent: Any, env: gym.Env[Any, Any], seed: int, options: dict[str, Any] | None, deterministic: bool
) -> bool:
    """Let the agent regularise one child; by drawing actions, as it learnt to, or by their means.

    Algorithms of Stable-Baselines3 draw from the global generators. The child's seed decides what, so that an agent
    that was saved and loaded gives the same child.

    Returns:
        Whether an action was another one than its mean.
    """
    draws = False
    with global_generators_restored(seed):
        observation, _ = env.reset(seed=seed, options=options)
        state, start, over = None, np.ones(1, dtype=bool), False
        while not over:
            asked = {"state": state, "episode_start": start}
            action, state = agent.predict(observation, **asked, deterministic=deterministic)
            if not deterministic:
                draws = draws or not np.array_equal(action, agent.predict(observation, **asked, deterministic=True)[0])
            observation, _, over, _, _ = env.step(action)
            start = np.zeros(1, dtype=bool)
    return draws


def _mean_test(children: list[dict[str, Any]]) -> dict[str, float]:
    return {key: float(np.mean([child["test"][key] for child in children])) for key in children[0]["test"]}


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))
