"""One trial on ImageSelect-v0: let an agent learn, take its selection, retrain from scratch on it, score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fer_gym.benchmark import agents
from fer_gym.benchmark.episodes import EpisodeLog
from fer_gym.benchmark.suites import Arm, SelectionTask
from fer_gym.data.splits import HALF_FACE, NONE_FACE, UNTOUCHED, Split
from fer_gym.envs import ImageSelectEnv
from fer_gym.training import Trainer

#: The rows of RLPS's Table 5.
KINDS = {"full": UNTOUCHED, "half": HALF_FACE, "none": NONE_FACE}


def run(
    task: SelectionTask,
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
        seed: fixes data, weights, batch order and the agent.
        settings: the arm's, completed.
        root: where the task's data set is.
        note: is called with a row for each episode that the agent learns from.

    Returns:
        What the record holds besides its name: `episodes`, `selection` (per image) and `scores`.
    """
    env = EpisodeLog(gym.make(task.env_id, **{**task.env, **arm.env}, root=root, data_seed=seed), note)
    base = env.unwrapped
    assert isinstance(base, ImageSelectEnv)
    env.reset(seed=seed)
    agent = agents.make(arm.agent, env, seed, settings)
    agent.learn(task.episodes * base.num_images)
    selection = _select(agent, env)
    trainer = Trainer(base.splits, base.settings)
    trainer.initialise(seed)
    trainer.train_epochs(np.sort(selection["sample_index"][selection["retained"]]), task.retrain_epochs)
    scores = {"keep_ratio": float(selection["retained"].mean()), "test": trainer.evaluate("test")}
    train = base.splits.train
    if train.noise is not None:
        scores |= _against_the_truth(train, selection, base.outputs.probabilities)
    env.close()
    return {
        "episodes": env.rows,
        "selection": {
            "sample_index": selection["sample_index"].tolist(),
            "retained": selection["retained"].astype(int).tolist(),
            "keep_probability": np.round(selection["keep_probability"].astype(float), 6).tolist(),
        },
        "scores": scores,
    }


def _select(agent: agents.Agent, env: gym.Env[Any, Any]) -> dict[str, NDArray[Any]]:
    """Walk a frozen episode: the selection that the agent makes now, by the network as it is now."""
    observation, _ = env.reset(options={"freeze": True})
    observations, state, start, over = [], None, np.ones(1, dtype=bool), False
    while not over:
        observations.append(observation)
        action, state = agent.predict(observation, state=state, episode_start=start, deterministic=False)
        observation, _, over, _, info = env.step(action)
        start = np.zeros(1, dtype=bool)
    retained = info["retained"]
    owner = next((part for part in (agent, getattr(agent, "policy", None)) if hasattr(part, "keep_probability")), None)
    probability = retained.astype(float) if owner is None else owner.keep_probability(np.array(observations))
    return {"sample_index": info["sample_index"], "retained": retained, "keep_probability": probability}


def _against_the_truth(
    train: Split, selection: dict[str, NDArray[Any]], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Keep probability and share kept by kind of image, and how well none-faces rank last.

    Beside the agent's AUROC stand those of two scores that anybody has for nothing: how much an image varies, and how
    unsure the agent's network is of it.
    """
    assert train.noise is not None
    walk = selection["sample_index"]
    noise = train.noise[walk]
    is_none = noise == NONE_FACE
    probability, retained = selection["keep_probability"], selection["retained"]
    scores: dict[str, Any] = {
        "keep_probability": {name: float(probability[noise == kind].mean()) for name, kind in KINDS.items()},
        "share_kept": {name: float(retained[noise == kind].mean()) for name, kind in KINDS.items()},
    }
    if 0 < is_none.sum() < len(is_none):
        p = np.maximum(probabilities[walk], np.finfo(np.float32).tiny).astype(np.float64)
        variance = train.pixels.reshape(len(train), -1).var(axis=1)[walk]
        scores["auroc_none_face"] = {
            "agent": float(roc_auc_score(is_none, -probability)),
            "image variance": float(roc_auc_score(is_none, -variance)),
            "entropy": float(roc_auc_score(is_none, -(p * np.log(p)).sum(axis=1))),
        }
    return scores
