"""One trial on ImageSelect-v0: let an agent learn, take its selection, retrain from scratch on it, score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fer_gym import agents
from fer_gym.benchmark.run import detection, provenance
from fer_gym.benchmark.run.arrays import rounded
from fer_gym.benchmark.spec.tasks import SelectionTask, Trial
from fer_gym.data.splits import DOUBTED, DUPLICATE, FLIPPED, HALF_FACE, NONE_FACE, UNTOUCHED, Split, Splits
from fer_gym.envs import ImageSelectEnv
from fer_gym.episodes import EpisodeLog
from fer_gym.errors import UsageError
from fer_gym.training import Trainer, metrics

#: Kinds of image: the rows of RLPS's Table 5, then those of wrong labels and copies. "full" is an image without noise.
KINDS = {
    "full": UNTOUCHED,
    "half": HALF_FACE,
    "none": NONE_FACE,
    "flipped": FLIPPED,
    "doubted": DOUBTED,
    "duplicate": DUPLICATE,
}


def run(
    trial: Trial,
    settings: dict[str, Any],
    root: str | None,
    note: Callable[[dict[str, Any]], None],
    save_to: Path | None = None,
) -> dict[str, Any]:
    """Run a trial.

    Args:
        trial: its seed fixes data, weights, batch order and the agent.
        settings: the arm's, completed.
        root: where the suite's data set is.
        note: is called with a row for each episode that the agent learns from.
        save_to: where the agent is saved when it has learnt.

    Returns:
        What the record says of the outcome: `data`, `machine`, `episodes`, `scores`, `confusion`, `removal`, `arrays`,
        and `saved_agent` where the agent was saved.
    """
    task, seed = trial.task, trial.seed
    env = EpisodeLog(trial.make_env(root), note)
    base = env.unwrapped
    assert isinstance(base, ImageSelectEnv)
    assert isinstance(task, SelectionTask)
    if getattr(base.splits.test, task.test_labels) is None:
        raise UsageError(f"test_labels: {task.test_labels!r} is not allowed; the test images have none")
    env.reset(seed=seed)
    agent = agents.learned(trial.arm.agent, env, seed, settings, task.episodes * base.num_images)
    env_steps = env.running["env_steps"]  # those of frozen walks, which train nothing, included
    saved = None if save_to is None else agents.save(agent, save_to)
    selection = _select(agent, env, deterministic=False)
    kept = _kept(task, selection, seed)
    matrix = _retrained(task, base, kept, seed)
    by_mean = _kept(task, _select(agent, env, deterministic=True), seed)
    same = np.array_equal(kept, by_mean)
    test = metrics.scores(matrix)
    finals = [len(kept)] if same else [len(kept), len(by_mean)]
    train = base.splits.train
    removal = [_removed(task, base, selection, share, seed) for share in task.removal]
    scores = {
        "keep_ratio": float(selection["retained"].mean()),
        "keep_ratio_by_class": _by_class(base.splits, selection),
        "test": test,
        "keep_ratio_by_mean": len(by_mean) / base.num_images,
        "test_by_mean": test if same else metrics.scores(_retrained(task, base, by_mean, seed)),
        "env_steps": {"learning": env_steps},
        **_cost(task, base, env.rows, getattr(agent, "training_cost", {}), finals),
    }
    if train.noise is not None:
        scores |= _compared_with_the_noise(train, selection, base.outputs.probabilities)
    env.close()
    return {
        "data": base.splits.fingerprint(),
        "machine": provenance.machine(base.trainer),
        "episodes": env.rows,
        "scores": scores,
        "confusion": {"classes": list(base.splits.classes), "counts": matrix.tolist()},
        "removal": removal,
        "arrays": per_image(selection, base.outputs.probabilities),
        **({"saved_agent": saved} if saved else {}),
    }


def per_image(selection: dict[str, NDArray[Any]], probabilities: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """A record's arrays, each in the order of the training split.

    Args:
        selection: arrays in the order of the walk: `sample_index`, `retained`, `keep_probability`, `sample_reward`
            and, where the agent has scores, `image_score`.
        probabilities: float32, (N, C), of the environment's network, in the order of the training split.
    """
    places = np.argsort(selection["sample_index"])
    of_image = {name: values[places] for name, values in selection.items()}
    classes = probabilities.shape[1]
    return {
        "retained": of_image["retained"],
        **{
            name: rounded(of_image[name], 16, np.float32)
            for name in ("keep_probability", "image_score")
            if name in of_image
        },
        "sample_reward": rounded(of_image["sample_reward"], 6, np.float16),
        "predicted": probabilities.argmax(axis=1).astype(np.uint8 if classes <= 256 else np.uint16),
        "predicted_percent": np.round(100 * probabilities.max(axis=1)).astype(np.uint8),
    }


def _kept(task: SelectionTask, selection: dict[str, NDArray[Any]], seed: int) -> NDArray[np.int64]:
    """The images that the final network trains on, in order: those retained, or as many of them as are allowed."""
    kept = np.sort(selection["sample_index"][selection["retained"]])
    most = round(task.keep_at_most * len(selection["retained"]))
    return kept if len(kept) <= most else np.sort(np.random.default_rng(seed).choice(kept, most, replace=False))


def _retrained(task: SelectionTask, base: ImageSelectEnv, kept: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The confusion matrix, on the test images, of a network trained from scratch on the images kept."""
    trainer = Trainer(base.splits, base.settings)
    trainer.initialise(seed)
    if task.retrain_steps:
        trainer.train_steps(kept, task.retrain_steps)
    else:
        trainer.train_epochs(kept, task.retrain_epochs)
    return trainer.confusion("test", labels=task.test_labels)


def _removed(
    task: SelectionTask, base: ImageSelectEnv, selection: dict[str, NDArray[Any]], share: float, seed: int
) -> dict[str, Any]:
    """The test scores of a network trained without the share of the images that the arm ranks lowest."""
    ranking = selection.get("image_score", selection["keep_probability"])
    # A coin decides between equals, so an arm that ranks nothing removes at random.
    order = np.lexsort((np.random.default_rng(seed).random(len(ranking)), ranking))
    kept = np.sort(selection["sample_index"][order[round(share * len(ranking)) :]])
    return {"removed": share, "test": metrics.scores(_retrained(task, base, kept, seed))}


def _select(agent: agents.Agent, env: gym.Env[Any, Any], *, deterministic: bool) -> dict[str, NDArray[Any]]:
    """Walk a frozen episode: the selection that the agent makes now, by the network as it is now.

    Its actions are drawn, as it learnt to, or the most probable ones.

    An agent, or its `policy`, may say how it ranks the images: by `keep_probability(observations)`, or by
    `image_scores`, one for each training image. One that does neither ranks those it retained above the others.
    """
    observation, _ = env.reset(options={"freeze": True})
    observations, state, start, over = [], None, np.ones(1, dtype=bool), False
    while not over:
        observations.append(observation)
        action, state = agent.predict(observation, state=state, episode_start=start, deterministic=deterministic)
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


def _by_class(splits: Splits, selection: dict[str, NDArray[Any]]) -> dict[str, float]:
    """The share kept of the images of each class, by their labels as given."""
    labels, retained = splits.train.labels[selection["sample_index"]], selection["retained"]
    return {name: float(retained[labels == label].mean()) for label, name in enumerate(splits.classes)}


def _cost(
    task: SelectionTask, base: ImageSelectEnv, rows: list[dict[str, Any]], own: dict[str, int], finals: list[int]
) -> dict[str, dict[str, int]]:
    """What the trial cost in networks, by part: the budget at which agents are compared.

    "final network" counts one for each of `finals`, the sizes of the selections. "own networks" are those that an agent
    trained beside the environment's, by its `training_cost`. Every episode that trained ends with an evaluation of
    training and validation images, as the pretraining does.
    """
    images, held_out, size = base.num_images, len(base.splits.val), base.settings.batch_size
    retained = [round(row["keep_ratio"] * images) for row in rows]
    without = [images - round(share * images) for share in task.removal]

    def retraining(selections: list[int]) -> list[int]:
        if task.retrain_steps:
            return [task.retrain_steps * size for selected in selections if selected]
        return selections * task.retrain_epochs

    # By part: the images that are trained on in one go, and what has been evaluated.
    epochs = {
        "pretraining": [images] * base.run.pretrain_epochs,
        "episodes": retained * base.run.epochs_per_episode,
        "own networks": [],
        "final network": retraining(finals),
        **({"removal curve": retraining(without)} if without else {}),
    }
    cost = {
        "images_trained": {part: sum(each) for part, each in epochs.items()},
        "gradient_steps": {part: sum(-(-count // size) for count in each) for part, each in epochs.items()},
        "images_evaluated": {
            "pretraining": images + held_out,
            "episodes": (images + held_out) * (sum(map(bool, retained)) if base.run.epochs_per_episode else 0),
            "own networks": 0,
            "final network": len(finals) * len(base.splits.test),
            **({"removal curve": len(without) * len(base.splits.test)} if without else {}),
        },
    }
    for name, of_parts in cost.items():
        of_parts["own networks"] = int(own.get(name, 0))
    return cost


def _compared_with_the_noise(
    train: Split, selection: dict[str, NDArray[Any]], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """Keep probability and share kept by kind of image, and how well the agent's ranking finds the noisy ones.

    Beside the agent's measures stand those of two scores that need no agent: the variance of an image, and the entropy
    of the network's prediction.
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
