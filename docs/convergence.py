"""Test macro F1 at half, all and twice the steps of a task's final network: `python docs/convergence.py`.

The tasks compare final networks of equally many gradient steps: this shows which of them have converged by then. The
seeds are tuning seeds.
"""

import argparse

import numpy as np

from fer_gym import tasks
from fer_gym.benchmark.spec.tasks import TUNING_SEEDS
from fer_gym.envs import ImageSelectEnv
from fer_gym.training import Trainer


def scores(task: tasks.CalibratedTask, seed: int, root: str | None) -> dict[str, list[float]]:
    """By selection, the macro F1 at half, all and twice the steps."""
    env = ImageSelectEnv(**task.env, data_seed=seed, root=root)
    noise = env.splits.train.noise
    found = {}
    for name, kept in (("keep all", np.arange(len(noise))), ("oracle", np.flatnonzero(noise == 0))):
        trainer = Trainer(env.splits, env.settings)
        trainer.initialise(seed)
        most = round(task.scoring.get("keep_at_most", 1.0) * len(noise))
        if len(kept) > most:
            kept = np.sort(np.random.default_rng(seed).choice(kept, most, replace=False))
        half = task.scoring["retrain_steps"] // 2
        found[name] = []
        for steps in (half, half, 2 * half):
            trainer.train_steps(kept, steps)
            found[name].append(trainer.evaluate("test")["macro_f1"])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root")
    parser.add_argument("--seeds", type=int, nargs="+", default=TUNING_SEEDS[:2])
    options = parser.parse_args()
    print("| task | steps | selection | half the steps | all | twice |\n|---|---|---|---|---|---|")
    for id, task in tasks.CURRENT.items():
        if task.env_id != "ImageSelect-v0" or (task.env.get("dataset") == "fer2013" and options.root is None):
            continue
        root = options.root if task.env.get("dataset") == "fer2013" else None
        found = [scores(task, seed, root) for seed in options.seeds]
        for name in found[0]:
            cells = " | ".join(" ".join(f"{each[name][i]:.3f}" for each in found) for i in range(3))
            print(f"| {id} | {task.scoring['retrain_steps']:,} | {name} | {cells} |", flush=True)
