"""How well the rankings that train networks find the noise, by their settings: `python docs/search_rankings.py`.

Under the tuning seeds, in three of the calibrated tasks: the share of the images kept that are clean, where as many are
kept as are clean, and the AUROC. The networks are trained as the agents train theirs, and looked at on the way; no
final network is trained.
"""

import argparse
from collections.abc import Iterator

import cleanlab.filter
import cleanlab.rank
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fer_gym import tasks
from fer_gym.benchmark.spec.tasks import TUNING_SEEDS
from fer_gym.envs import ImageSelectEnv
from fer_gym.training import Outputs, Trainer
from fer_gym_agents.selection.margins import margins
from fer_gym_agents.selection.shapley import knn_shapley

TASKS = ("ImageSelect-Flips-v1", "ImageSelect-PairFlips-v1", "ImageSelect-Junk-v1")
EPOCHS = (6, 12, 24, 48)
FOLDS = 5

Scores = NDArray[np.floating]


def training(env: ImageSelectEnv, subset: NDArray[np.int64], seed: int) -> Iterator[tuple[int, Trainer, Outputs]]:
    """A fresh network after each epoch on some of the training images, with its outputs on all of them."""
    trainer = Trainer(env.splits, env.settings)
    trainer.initialise(seed)
    for epoch in range(1, EPOCHS[-1] + 1):
        trainer.train_epochs(subset, 1)
        yield epoch, trainer, trainer.outputs("train")


def of_one_network(env: ImageSelectEnv, seed: int) -> Iterator[tuple[str, Scores]]:
    """AUM and KNN-Shapley."""
    labels, val = env.splits.train.labels, env.splits.val
    area = np.zeros(len(labels))
    for epoch, trainer, outputs in training(env, np.arange(len(labels)), seed):
        area += margins(outputs.probabilities, labels)
        if epoch in EPOCHS:
            yield f"AUM, {epoch} epochs", area / epoch
            features = trainer.outputs("val").features
            for k in (10, 50):
                scores = knn_shapley(outputs.features, labels, features, val.labels, k)
                yield f"KNN-Shapley, {epoch} epochs, {k} neighbours", scores


def out_of_fold(env: ImageSelectEnv, seed: int) -> Iterator[tuple[str, Scores]]:
    """Cleanlab."""
    labels = env.splits.train.labels
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[np.lexsort((rng.random(len(labels)), labels))] = np.arange(len(labels)) % FOLDS
    probabilities = {epochs: np.empty((len(labels), len(env.splits.classes))) for epochs in EPOCHS}
    for fold in range(FOLDS):
        held_out = fold_of == fold
        for epoch, _, outputs in training(env, np.flatnonzero(~held_out), int(rng.integers(2**32))):
            if epoch in EPOCHS:
                probabilities[epoch][held_out] = outputs.probabilities[held_out]
    for epochs, each in probabilities.items():
        each /= each.sum(axis=1, keepdims=True)
        flagged = cleanlab.filter.find_label_issues(labels, each, n_jobs=1)
        yield f"cleanlab, {epochs} epochs", cleanlab.rank.get_label_quality_scores(labels, each) - flagged


def cells(id: str, seeds: list[int]) -> dict[str, str]:
    """By ranking and settings: the share of clean images among those kept, and the AUROC, means over the seeds."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in seeds:
        env = ImageSelectEnv(**tasks.CURRENT[id].env, data_seed=seed)
        clean = env.splits.train.noise == 0
        for name, scores in (*out_of_fold(env, seed), *of_one_network(env, seed)):
            kept = np.argsort(-scores, kind="stable")[: clean.sum()]
            found.setdefault(name, []).append((clean[kept].mean(), roc_auc_score(clean, scores)))
    return {name: "{:.3f}, {:.3f}".format(*np.mean(values, axis=0)) for name, values in found.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=TUNING_SEEDS[:2])
    options = parser.parse_args()
    columns = [cells(id, options.seeds) for id in TASKS]
    print("| ranking | " + " | ".join(TASKS) + " |\n|---|" + "---|" * len(TASKS))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")
