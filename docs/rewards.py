"""How the return of each reward ranks schedules, beside their test F1: `python docs/rewards.py`.

Where regularisation helps (Overfit and WrongLabels), fixed schedules regularise one child a seed. Each child is paid by
all rewards of RegTune-v0 at once, and its F1 on the test images is taken at the end. The rows go to
docs/results/rewards.json; the page on the decision processes is built from them.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from scipy.stats import spearmanr

import fer_gym  # noqa: F401 (registers the environments)
from fer_gym import tasks
from fer_gym_agents.tuning.schedules import Linear, RandomPerChunk, Static

ROWS = Path(__file__).resolve().parent / "results" / "rewards.json"
TASKS = ("RegTune-Overfit-v0", "RegTune-WrongLabels-v0")
SEEDS = range(5)
#: Of dropout, weight decay and mixup.
SCHEDULES: dict[str, tuple[type, dict[str, Any]]] = {
    "none": (Static, {}),
    "dropout .3": (Static, {"strength": [0.3, 0.0, 0.0]}),
    "dropout .5": (Static, {"strength": [0.5, 0.0, 0.0]}),
    "dropout .65": (Static, {"strength": [0.65, 0.0, 0.0]}),
    "dropout .8": (Static, {"strength": [0.8, 0.0, 0.0]}),
    "dropout .95": (Static, {"strength": [0.95, 0.0, 0.0]}),
    "mixup .5": (Static, {"strength": [0.0, 0.0, 0.5]}),
    "dropout .65, mixup .5": (Static, {"strength": [0.65, 0.0, 0.5]}),
    "all at their highest": (Static, {"strength": [0.95, 1.0, 1.0]}),
    "all from lowest to highest": (Linear, {}),
    "all at random": (RandomPerChunk, {}),
}
#: What the table calls a return, and the key of a row.
REWARDS = {
    '`"gap"`, the default': "gap",
    '`"gap"` with `train_f1="eval"`': "gap_eval",
    '`"val_f1"`': "val_f1",
    '`"val_f1_change"`': "val_f1_change",
    '`"neg_val_loss"`': "neg_val_loss",
}


def child(task: tasks.CalibratedTask, schedule: str, seed: int, train_f1: str) -> dict[str, float]:
    """The returns of a child under a schedule, by reward, and its test F1."""
    env = gym.make(f"fer_gym:{task.env_id}", **{**task.env, "train_f1": train_f1}, data_seed=seed)
    make, settings = SCHEDULES[schedule]
    agent = make(env, seed=seed, **settings)
    found = dict.fromkeys(("gap", "val_f1", "neg_val_loss"), 0.0)
    observation, _ = env.reset(seed=seed)
    state, start, over, info = None, np.ones(1, dtype=bool), False, {}
    while not over:
        action, state = agent.predict(observation, state=state, episode_start=start)
        observation, _, over, _, info = env.step(action)
        start = np.zeros(1, dtype=bool)
        found["gap"] += info["val_f1"] - info["train_f1"]
        found["val_f1"] += info["val_f1"]
        found["neg_val_loss"] -= info["val_loss"]
        assert not info["diverged"]
    test = env.unwrapped.trainer.evaluate("test")["macro_f1"]
    env.close()
    return {**found, "val_f1_change": info["val_f1"], "test": test}


def run() -> None:
    """Run every schedule under every seed that has no row yet."""
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else []
    done = {(row["task"], row["schedule"], row["seed"]) for row in rows}
    for task in map(tasks.TASKS.__getitem__, TASKS):
        for seed in SEEDS:
            for schedule in SCHEDULES:
                if (task.id, schedule, seed) in done:
                    continue
                row = {"task": task.id, "schedule": schedule, "seed": seed}
                row |= child(task, schedule, seed, "train")
                again = child(task, schedule, seed, "eval")
                assert again["test"] == row["test"]  # the way of scoring changes no child
                rows.append({**row, "gap_eval": again["gap"]})
                ROWS.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
                print(rows[-1], flush=True)


def correlation(rows: Sequence[Mapping[str, Any]], seeds: Sequence[int], key: str) -> float:
    """Spearman's, over the schedules, of mean return and mean test F1 of these seeds; a seed may stand twice."""
    by_place = {(row["schedule"], row["seed"]): row for row in rows}
    means = [[np.mean([by_place[name, s][k] for s in seeds]) for name in SCHEDULES] for k in (key, "test")]
    return float(spearmanr(*means).statistic)


def tables() -> Iterator[str]:
    """The rank correlations, then the means of the schedules, as Markdown."""
    rows = json.loads(ROWS.read_text())
    of_task = {id: [row for row in rows if row["task"] == id] for id in TASKS}
    yield f"| return | {' | '.join(TASKS)} |"
    yield "|---" * (len(TASKS) + 1) + "|"
    draws = np.random.default_rng(0).choice(SEEDS, (1000, len(SEEDS)))
    for name, key in REWARDS.items():
        cells = []
        for found in of_task.values():
            low, high = np.quantile([correlation(found, seeds, key) for seeds in draws], (0.025, 0.975))
            cells.append(f"{correlation(found, SEEDS, key):.2f} [{low:.2f}, {high:.2f}]")
        yield f"| {name} | {' | '.join(cells)} |"
    for id, found in of_task.items():
        yield ""
        yield f"| {id} | test F1 | {' | '.join(REWARDS)} |"
        yield "|---" * (len(REWARDS) + 2) + "|"
        means = {
            schedule: [
                np.mean([row[key] for row in found if row["schedule"] == schedule])
                for key in ("test", *REWARDS.values())
            ]
            for schedule in SCHEDULES
        }
        for schedule, (test, *returns) in sorted(means.items(), key=lambda each: -each[1][0]):
            yield f"| {schedule} | {test:.3f} | {' | '.join(f'{round(each, 2) + 0.0:.2f}' for each in returns)} |"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()
    print("\n".join(tables()))
