"""One trial on ImageSelect-v0: let an agent learn, take its selection, retrain from scratch on it, score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym import agents
from fer_gym.benchmark.run import detection
from fer_gym.benchmark.spec.tasks import Arm, SelectionTask, make_env
from fer_gym.data.splits import DOUBTED, FLIPPED, HALF_FACE, NONE_FACE, UNTOUCHED, Split, Splits
from fer_gym.envs import ImageSelectEnv
from fer_gym.episodes import EpisodeLog
from fer_gym.training import Trainer, metrics

#: Kinds of image: the rows of RLPS's Table 5, then those of wrong labels. "full" is an image without noise.
KINDS = {"full": UNTOUCHED, "half": HALF_FACE, "none": NONE_FACE, "flipped": FLIPPED, "doubted": DOUBTED}


def run(
    task: SelectionTask,
    arm: Arm,
    seed: int,
    settings: dict[str, Any],
    root: str | None,
    note: Callable[[dict[str, Any]], None],
    keep: Path | None = None,
) -> dict[str, Any]:
    """Run a trial.

    Args:
        task: where.
        arm: who.
        seed: fixes data, weights, batch order and the agent.
        settings: the arm's, completed.
        root: where the suite's data set is.
        note: is called with a row for each episode that the agent learns from.
        keep: where the agent is saved when it has learnt.

    Returns:
        What the record holds besides its name: `data`, its fingerprint; `episodes`; `selection` (per image, in walk
        order); and `scores`.
    """
    env = EpisodeLog(make_env(task, arm, seed, root), note)
    base = env.unwrapped
    assert isinstance(base, ImageSelectEnv)
    env.reset(seed=seed)
    agent = agents.make(arm.agent, env, seed, settings)
    agent.learn(task.episodes * base.num_images)
    env_steps = env.running["env_steps"]  # those of frozen walks, which train nothing, included
    saved = {} if keep is None else {"saved_agent": agents.save(agent, keep)}
    selection = _select(agent, env)
    kept = selection["sample_index"][selection["retained"]]
    matrix = _retrained(base, kept, task.retrain_epochs, seed)
    train = base.splits.train
    removal = [_removed(base, selection, share, task.retrain_epochs, seed) for share in task.removal]
    scores = {
        "keep_ratio": float(selection["retained"].mean()),
        "keep_ratio_by_class": _by_class(base.splits, selection),
        "test": metrics.scores(matrix),
        "env_steps": {"learning": env_steps},
        **_cost(task, base, env.rows, getattr(agent, "training_cost", {}), len(kept)),
    }
    if train.noise is not None:
        scores |= _against_the_truth(train, selection, base.outputs.probabilities)
    env.close()
    per_image = {
        "sample_index": selection["sample_index"].tolist(),
        "retained": selection["retained"].astype(int).tolist(),
        "keep_probability": np.round(selection["keep_probability"].astype(float), 6).tolist(),
        "sample_reward": np.round(selection["sample_reward"].astype(float), 6).tolist(),
        **_predicted(base.outputs.probabilities[selection["sample_index"]]),
    }
    if "image_score" in selection:
        per_image["image_score"] = selection["image_score"].tolist()
    shown = {"classes": list(base.splits.classes), "counts": matrix.tolist()}
    data = base.splits.fingerprint()
    result = {"data": data, "episodes": env.rows, "selection": per_image, "scores": scores, "confusion": shown, **saved}
    return {**result, "removal": removal} if removal else result


def _retrained(base: ImageSelectEnv, kept: NDArray[np.int64], epochs: int, seed: int) -> NDArray[np.int64]:
    """The confusion matrix, on the test images, of a network trained from scratch on the images kept."""
    trainer = Trainer(base.splits, base.settings)
    trainer.initialise(seed)
    trainer.train_epochs(np.sort(kept), epochs)
    return trainer.confusion("test")


def _removed(
    base: ImageSelectEnv, selection: dict[str, NDArray[Any]], share: float, epochs: int, seed: int
) -> dict[str, Any]:
    """The test scores of a network trained without the share of the images that the arm ranks lowest."""
    ranking = selection.get("image_score", selection["keep_probability"])
    # A coin decides between equals, so an arm that ranks nothing removes at random.
    order = np.lexsort((np.random.default_rng(seed).random(len(ranking)), ranking))
    kept = selection["sample_index"][order[round(share * len(ranking)) :]]
    return {"removed": share, "test": metrics.scores(_retrained(base, kept, epochs, seed))}


def _select(agent: agents.Agent, env: gym.Env[Any, Any]) -> dict[str, NDArray[Any]]:
    """Walk a frozen episode: the selection that the agent makes now, by the network as it is now.

    An agent, or its `policy`, may tell how it ranks the images: by `keep_probability(observations)`, or by
    `image_scores`, one for each training image. Where it does not, it is by what it retained.
    """
    observation, _ = env.reset(options={"freeze": True})
    observations, state, start, over = [], None, np.ones(1, dtype=bool), False
    while not over:
        observations.append(observation)
        action, state = agent.predict(observation, state=state, episode_start=start, deterministic=False)
        observation, _, over, _, info = env.step(action)
        start = np.zeros(1, dtype=bool)
    walk, retained = info["sample_index"], info["retained"]
    owner = next((part for part in (agent, getattr(agent, "policy", None)) if hasattr(part, "keep_probability")), None)
    probability = retained.astype(float) if owner is None else owner.keep_probability(np.array(observations))
    selection = {
        "sample_index": walk,
        "retained": retained,
        "keep_probability": probability,
        "sample_reward": info["sample_rewards"],
    }
    image_scores = getattr(agent, "image_scores", None)
    return selection if image_scores is None else {**selection, "image_score": image_scores[walk]}


def _predicted(probabilities: NDArray[np.float32]) -> dict[str, list[Any]]:
    """What the environment's network takes each image for, and how sure it is of that."""
    return {
        "predicted": probabilities.argmax(axis=1).tolist(),
        "predicted_probability": np.round(probabilities.max(axis=1).astype(float), 6).tolist(),
    }


def _by_class(splits: Splits, selection: dict[str, NDArray[Any]]) -> dict[str, float]:
    """The share kept of the images of each class, by their labels as given: a collapse onto some shows here."""
    labels, retained = splits.train.labels[selection["sample_index"]], selection["retained"]
    return {name: float(retained[labels == label].mean()) for label, name in enumerate(splits.classes)}


def _cost(
    task: SelectionTask, base: ImageSelectEnv, rows: list[dict[str, Any]], own: dict[str, int], kept: int
) -> dict[str, dict[str, int]]:
    """What the trial cost in networks, by part: the budget that an agent is compared at.

    "own networks" are those that an agent trained beside the environment's, as its `training_cost` tells. Every
    episode that trained ends with an evaluation of training and validation images, as the pretraining does.
    """
    images, held_out, size = base.num_images, len(base.splits.val), base.settings.batch_size
    retained = [round(row["keep_ratio"] * images) for row in rows]
    without = [images - round(share * images) for share in task.removal]
    # By part: the images that each epoch trains on, and what has been evaluated.
    epochs = {
        "pretraining": [images] * base.pretrain_epochs,
        "episodes": retained * base.epochs_per_episode,
        "own networks": [],
        "final network": [kept] * task.retrain_epochs,
        **({"removal curve": without * task.retrain_epochs} if without else {}),
    }
    cost = {
        "images_trained": {part: sum(each) for part, each in epochs.items()},
        "gradient_steps": {part: sum(-(-count // size) for count in each) for part, each in epochs.items()},
        "images_evaluated": {
            "pretraining": images + held_out,
            "episodes": (images + held_out) * (sum(map(bool, retained)) if base.epochs_per_episode else 0),
            "own networks": 0,
            "final network": len(base.splits.test),
            **({"removal curve": len(without) * len(base.splits.test)} if without else {}),
        },
    }
    for name, of_parts in cost.items():
        of_parts["own networks"] = own.get(name, 0)
    return cost


def _against_the_truth(
    train: Split, selection: dict[str, NDArray[Any]], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Keep probability and share kept by kind of image, and how well the agent's ranking finds the noisy ones.

    Beside the agent's measures stand those of two scores that anybody has for nothing: how much an image varies, and
    how unsure the agent's network is of it.
    """
    assert train.noise is not None
    walk = selection["sample_index"]
    noise = train.noise[walk]
    probability, retained = selection["keep_probability"], selection["retained"]
    kinds = {name: noise == kind for name, kind in KINDS.items() if (noise == kind).any()}
    scores: dict[str, Any] = {
        "keep_probability": {name: float(probability[of_kind].mean()) for name, of_kind in kinds.items()},
        "share_kept": {name: float(retained[of_kind].mean()) for name, of_kind in kinds.items()},
    }
    p = np.maximum(probabilities[walk], np.finfo(np.float32).tiny).astype(np.float64)
    rankings = {
        "agent": selection.get("image_score", probability),
        "image variance": train.pixels.reshape(len(train), -1).var(axis=1)[walk],
        "entropy": (p * np.log(p)).sum(axis=1),
    }
    for name, ranking in rankings.items():
        for measure, number in detection.measures(noise, ranking).items():
            scores.setdefault(measure, {})[name] = number
    return scores
