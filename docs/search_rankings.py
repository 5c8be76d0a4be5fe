"""How well the rankings that train networks find the noise, by their settings: `python docs/search_rankings.py`.

AUROC under the tuning seeds, in the tasks where REINFORCE and PPO are compared with the rankings, and in PairFlips. No
final network is trained.
"""

import argparse
import itertools

import numpy as np
from sklearn.metrics import roc_auc_score

from fer_gym import tasks
from fer_gym.benchmark.spec.tasks import TUNING_SEEDS
from fer_gym.envs import ImageSelectEnv
from fer_gym_agents import AreaUnderMargin, Cleanlab, KnnShapley

TASKS = ("ImageSelect-Flips-v1", "ImageSelect-PairFlips-v0", "ImageSelect-Junk-v1")
EPOCHS = (6, 12, 24, 48)
RANKINGS = (
    (Cleanlab, {"epochs": EPOCHS}),
    (AreaUnderMargin, {"epochs": EPOCHS}),
    (KnnShapley, {"neighbors": (10, 50), "epochs": EPOCHS}),
)


def auroc(task: tasks.CalibratedTask, seed: int, ranking: type, settings: dict[str, int]) -> float:
    """The share of pairs of a clean and a noisy image in which the clean one scores higher."""
    env = ImageSelectEnv(**task.env, data_seed=seed)
    agent = ranking(env, seed=seed, keep_ratio="clean", **settings).learn(0)
    return float(roc_auc_score(env.splits.train.noise == 0, agent.image_scores))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=TUNING_SEEDS[:2])
    options = parser.parse_args()
    print("| ranking | settings | " + " | ".join(TASKS) + " |\n|---|---|" + "---|" * len(TASKS))
    for ranking, grid in RANKINGS:
        for values in itertools.product(*grid.values()):
            settings = dict(zip(grid, values, strict=True))
            cells = []
            for id in TASKS:
                found = [auroc(tasks.CURRENT[id], seed, ranking, settings) for seed in options.seeds]
                cells.append(f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})")
            words = ", ".join(f"{name} {value}" for name, value in settings.items())
            print(f"| {ranking.__name__} | {words} | " + " | ".join(cells) + " |", flush=True)
