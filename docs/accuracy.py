"""How accurate CNN-A is on the whole of FER2013 after 5, 10, ... epochs: `python docs/accuracy.py --root fer2013.zip`.

With the settings of scale `full`, keeping all images, under a tuning seed.
"""

import argparse

import numpy as np

from fer_gym.benchmark.spec.papers import TABLES
from fer_gym.benchmark.spec.tasks import TUNING_SEEDS
from fer_gym.envs import ImageSelectEnv
from fer_gym.training import Trainer

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    (task,) = TABLES["rlps-table1"].suite("full").tasks
    env = ImageSelectEnv(**task.env, data_seed=TUNING_SEEDS[0], root=options.root)
    trainer = Trainer(env.splits, env.settings)
    trainer.initialise(TUNING_SEEDS[0])
    print("| epochs | training accuracy | validation accuracy | test accuracy | test macro F1 |")
    print("|---|---|---|---|---|")
    for epochs in range(5, options.epochs + 1, 5):
        trainer.train_epochs(np.arange(len(env.splits.train)), 5)
        train, val, test = (trainer.evaluate(split) for split in ("train", "val", "test"))
        scores = [train["accuracy"], val["accuracy"], test["accuracy"], test["macro_f1"]]
        print(f"| {epochs} | {' | '.join(f'{score:.3f}' for score in scores)} |", flush=True)
